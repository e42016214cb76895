"""The parts behind `data.synthesize`: Korean morphology, word lists, sentence and document forms."""
