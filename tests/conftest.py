"""A shell's background jobs start with SIGINT ignored, and so would everything that the tests start and interrupt."""

import signal

signal.signal(signal.SIGINT, signal.default_int_handler)
