"""``stile-gateway``: runs the service."""

from stile_runtime.footprint import leave_out_unused


def main() -> None:
    """Run the gateway."""
    leave_out_unused()
    from stile_gateway import app  # noqa: PLC0415 -- what its libraries do not need is left out first

    app.main()


if __name__ == "__main__":
    main()
