"""Layer 2: LLM-Guard's input scanners, in child processes that can be ended.

Layout:
    ``pool``      the parent's side: children, a scan's time limit, spares
    ``child``     the child's side: builds the scanners, scans what it is handed
    ``registry``  builds a scanner out of ``type`` and ``params``
    ``llm_guard`` imports LLM-Guard's modules, each without the others
    ``excepted``  takes what is excepted out of a text
    ``windows``   cuts a text so that a model's tokenizer sees all of it
    ``wire``      the frames between parent and child
"""
