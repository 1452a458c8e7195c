"""``stile-filter``: runs the service; ``stile-filter policy …`` works on a policy instead."""

import sys


def main() -> None:
    """Run the service, or a command on a policy; what is not asked for is not imported."""
    if sys.argv[1:2] == ["policy"]:
        from stile_filter.policies.commands import run  # noqa: PLC0415 -- a second of imports less

        sys.exit(run(sys.argv[2:]))
    from stile_filter.app import main as serve  # noqa: PLC0415 -- as above

    serve()


if __name__ == "__main__":
    main()
