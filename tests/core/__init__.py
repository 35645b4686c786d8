"""Tests of pop3core; a package so that its modules can share helpers by relative imports."""
