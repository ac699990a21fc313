#pragma once
// The header that extensions of PyTorch include: the names of torch:: and at:: on Facula's tensors.
#include <facula/extension.h>
