"""Measurements that the library's claims rest on."""
