"""``stile-filter``: runs the service; ``stile-filter policy …`` works on a policy instead."""

import sys

from stile_runtime.footprint import leave_out_unused


def main() -> None:
    """Run the service, or a command on a policy; the other one is not imported."""
    leave_out_unused("uvicorn")
    if sys.argv[1:2] == ["policy"]:
        from stile_filter.policies import commands  # noqa: PLC0415 -- a second of imports less

        commands.main(sys.argv[2:])
    else:
        from stile_filter import app  # noqa: PLC0415 -- as above

        app.main()


if __name__ == "__main__":
    main()
