"""The search structures: BM25 over postings, HNSW, and exact search, which is the oracle of the second."""
