def run_all(sides, examples, only, *, store):
    return []
