"""`python -m facula.distributed.launch`: the old name of `facula.distributed.run`."""

from .run import main

if __name__ == "__main__":
    main()
