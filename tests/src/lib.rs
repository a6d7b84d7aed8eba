//! Test data and harness shared by the end-to-end tests.
