"""``python -m compat_suite rooms``: rooms over processes under load, and under what goes wrong.

Processes of `child` share a broker; WebSockets join rooms in each; numbered messages are published into every room from several processes.
Each member must see, for each publisher, 1, 2, 3, ... without a hole or a repetition; a hole is right only where the member was told of a
gap at that place. Meanwhile something goes wrong (`disturbances`). The broker is a server of ours, unless ``--broker`` names one's URL.

With ``--beside`` the same room server is measured on other packages instead: CPU for each message delivered (`beside`).
"""
