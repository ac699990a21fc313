"""The package's printed name: "facula", or "torch" under the alias."""

prefix = "facula"
