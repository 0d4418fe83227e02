"""`python -m yuhee` is the `yuhee` command."""

from yuhee.cli import main

if __name__ == "__main__":
    main()
