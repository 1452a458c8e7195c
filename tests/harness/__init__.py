"""What tests of several parts share: the real servers, started on free ports, and ways to wait."""
