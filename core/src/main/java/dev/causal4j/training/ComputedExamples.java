package dev.causal4j.training;

import java.util.function.LongFunction;

/** Examples that a function computes from their index. */
record ComputedExamples(long perEpoch, LongFunction<Example> function) implements Examples {
    @Override
    public Example example(long index) {
        return function.apply(index);
    }
}
