"""Work inside one process, as programs do it with Tornado's modules; the same on Tornado and on tornadolike. One file for each module."""
