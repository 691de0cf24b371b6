package dev.causal4j.benchmarks;

/** The sizes of a GPT-2 for its naive twin and for peers. */
record GPT2Shape(int contextLength, int hiddenSize, int layers, int heads) {
    int innerSize() {
        return 4 * hiddenSize;
    }

    int headSize() {
        return hiddenSize / heads;
    }

    float layerNormEpsilon() {
        return 1e-5f;
    }
}
