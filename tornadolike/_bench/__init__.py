"""The machinery of ``tornadolike bench``: candidates, scenarios, load, measuring, reports.

Like `_net` and `_loop` this room touches the operating system. It uses nothing else of the package: what it measures runs in
processes of its own, and the load must not depend on the code under test.
"""
