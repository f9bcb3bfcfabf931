"""Training of the dual-encoder and of the cross-encoder (Dong et al. 2023, arXiv 2305.04508).

    pairs, documents, rankings --data--> TrainingSet --sampling--> negatives --batches--> batch --losses--> loop

Only `models` imports torch and transformers; `data`, `rankings`, `sampling` and `batches` are numpy alone.
"""
