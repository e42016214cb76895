"""The parts behind `data.synthesize`: morphology, word lists, sentences, documents."""
