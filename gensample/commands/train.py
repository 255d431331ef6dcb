"""`gensample fit | validate | test`: `gensample.training.cli`, with a page of help of our own."""


def run_training(command: str, args: list[str]) -> None:
    """Run one command, or print its page of help."""
    if {"-h", "--help"} & set(args):
        from gensample.training.page import help_page

        print(help_page(command))
        return
    from gensample.training.cli import train

    train(command, ["--help" if word == "--help-all" else word for word in args])
