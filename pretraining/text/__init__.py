"""The parts of the synthetic text: morphology, word lists, sentences, documents."""
