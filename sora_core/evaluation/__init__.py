"""Instruments and suites that measure the promises."""
