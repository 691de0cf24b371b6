package dev.causal4j.spark;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.generation.Embedder;
import dev.causal4j.generation.Engine.Requester;
import dev.causal4j.generation.FinishReason;
import dev.causal4j.generation.Generation;
import dev.causal4j.generation.Generation.Constrained;
import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.head.Prediction;
import dev.causal4j.scoring.Normalization;
import dev.causal4j.scoring.Ranking;
import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Score.Totals;
import dev.causal4j.scoring.ScoringOptions;
import dev.causal4j.tokenizer.Tokenizer;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CancellationException;
import java.util.function.BooleanSupplier;
import java.util.function.Function;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.apache.spark.sql.types.StructType;
import org.jspecify.annotations.Nullable;

/** The operations on rows. Each gives a struct whose last field is an error or null. */
@SuppressWarnings("ImmutableEnumChecker") // Spark's types are immutable
enum Operation {
    SCORE("score", "text string", "nll double, tokens bigint, bytes bigint, perplexity double, bits_per_byte double") {
        @Override
        Result compute(ExecutorModel executor, Arguments row, BooleanSupplier going) {
            Score score = score(executor, row.text, going);
            Totals totals = score.totals();
            Double bits =
                    totals.scoredBytes() == 0 ? null : totals.bitsPerByte().orElseThrow();
            long tokens = totals.scoredTokens();
            return new Result(tokens, totals.nll(), tokens, totals.scoredBytes(), score.perplexity(), bits);
        }
    },

    LOG_PROBABILITIES(
            "log_probabilities",
            "text string",
            "token_ids array<int>, pieces array<string>, logprobs array<double>, ranks array<int>") {
        @Override
        Result compute(ExecutorModel executor, Arguments row, BooleanSupplier going) {
            Score score = score(executor, row.text, going);
            return new Result(
                    score.totals().scoredTokens(),
                    Arrays.stream(score.tokens()).boxed().toArray(),
                    score.pieces().toArray(),
                    each(score, Prediction::logProbability),
                    each(score, Prediction::rank));
        }
    },

    GENERATE(
            "generation",
            "prompt string, options map<string,string>",
            "text string, prompt_tokens bigint, tokens bigint, finish_reason string, seed bigint") {
        @Override
        Result compute(ExecutorModel executor, Arguments row, BooleanSupplier going) {
            Generation generation = generate(executor, row, going);
            long tokens = generation.tokens().length;
            long prompt = generation.promptTokens().length;
            String reason = generation.finishReason().label();
            return new Result(tokens, generation.text(), prompt, tokens, reason, generation.seed());
        }
    },

    EXTRACT(
            "extraction",
            "prompt string, schema string",
            "json string, prompt_tokens bigint, tokens bigint, lost_logprob double, seed bigint") {
        @Override
        Result compute(ExecutorModel executor, Arguments row, BooleanSupplier going) {
            Generation generation = generate(executor, row, going);
            long tokens = generation.tokens().length;
            Constrained document = generation.constrained().orElseThrow();
            if (!document.complete()) {
                throw new IllegalArgumentException("document: expected an end within max_new_tokens, got none after "
                        + tokens + " tokens; allow more, or bound the schema's texts");
            }
            Double lost = document.lostLogProbability().orElse(null);
            long prompt = generation.promptTokens().length;
            return new Result(tokens, generation.text(), prompt, tokens, lost, generation.seed());
        }
    },

    EMBED("embedding", "text string, prompt string", "vector array<float>, tokens bigint") {
        @Override
        Result compute(ExecutorModel executor, Arguments row, BooleanSupplier going) {
            if (executor.model.embedding().isEmpty()) {
                throw new IllegalArgumentException(
                        "model: expected one whose files say how it embeds, got " + executor.model.name());
            }
            Embedder embedder = Embedder.of(executor.model);
            int[] text = embedder.tokens(embedder.prompted(row.choice(0), row.text));
            float[] vector = embedder.embed(List.of(text), executor.engine, Requester.of(""))
                    .getFirst();
            Object[] numbers =
                    IntStream.range(0, vector.length).mapToObj(i -> vector[i]).toArray();
            return new Result(text.length, numbers, (long) text.length);
        }
    },

    RANK(
            "ranking",
            "prompt string, choices array<string>",
            "logprob array<double>, logprob_per_token array<double>, logprob_per_byte array<double>, order array<int>") {
        @Override
        Result compute(ExecutorModel executor, Arguments row, BooleanSupplier going) {
            Tokenizer tokenizer = executor.model.requireTokenizer();
            int[] prompt = tokenizer.withPrefix(tokenizer.encode(row.text));
            List<int[]> choices = IntStream.range(0, row.choices.size())
                    .mapToObj(i -> tokenizer.encodeContinuation(row.choice(i), ScoringOptions.DEFAULT.specialTokens()))
                    .toList();
            Ranking ranking =
                    executor.scorer.rank(prompt, choices, ScoringOptions.DEFAULT, (_, _) -> going.getAsBoolean());
            return new Result(
                    choices.stream().mapToLong(each -> each.length).sum(),
                    each(ranking, Normalization.SUM),
                    each(ranking, Normalization.PER_TOKEN),
                    each(ranking, Normalization.PER_BYTE),
                    ranking.order(Normalization.PER_TOKEN).toArray());
        }
    };

    /**
     * The inputs of a row.
     *
     * @param text or prompt
     * @param choices to rank, or the name of the prompt before a text
     * @param schema that the new text obeys; null for any text
     */
    record Arguments(
            String text,
            List<@Nullable String> choices,
            GenerationSettings settings,
            long seed,
            @Nullable String schema) {
        Arguments(String text, List<@Nullable String> choices) {
            this(text, choices, GenerationSettings.NONE, 0, null);
        }

        private String choice(int i) {
            String choice = choices.get(i);
            if (choice == null) {
                throw new IllegalArgumentException("choice " + (i + 1) + ": expected a text, got null");
            }
            return choice;
        }
    }

    /**
     * The fields of a struct, perhaps without the last: Java's boxes, strings, and arrays of them.
     *
     * @param tokens that were scored or generated
     */
    record Result(long tokens, @Nullable Object... values) {}

    /** The column that a Dataset gets. */
    final String column;

    /** Names and types of its inputs. */
    final StructType inputs;

    /** The type of its column. */
    final StructType type;

    Operation(String column, String inputs, String type) {
        this.column = column;
        this.inputs = StructType.fromDDL(inputs);
        this.type = StructType.fromDDL(type + ", error string");
    }

    /** Whether the last input may be absent in SQL. */
    boolean mayLackLast() {
        return this == GENERATE || this == EMBED;
    }

    /** The function in SQL. */
    String function() {
        return name().toLowerCase(Locale.ROOT);
    }

    /**
     * Computes a row; one that cannot be processed has an error.
     *
     * @param row reads it
     * @param going whether to continue
     * @throws CancellationException if it is not to continue, or this thread is interrupted
     */
    final Result apply(ExecutorModel executor, Supplier<Arguments> row, BooleanSupplier going) {
        @Nullable Object[] values = new @Nullable Object[type.size()];
        long tokens = 0;
        try {
            Result result = compute(executor, row.get(), going);
            System.arraycopy(result.values, 0, values, 0, result.values.length);
            tokens = result.tokens;
        } catch (IllegalArgumentException | ArithmeticException e) {
            values[values.length - 1] = String.valueOf(e.getMessage());
        }
        return new Result(tokens, values);
    }

    abstract Result compute(ExecutorModel executor, Arguments row, BooleanSupplier going);

    private static Generation generate(ExecutorModel executor, Arguments row, BooleanSupplier going) {
        GenerationOptions own = GenerationOptions.of(executor.model);
        GenerationOptions constrained = row.schema == null ? own : own.withConstraint(Constraint.schema(row.schema));
        GenerationOptions options = row.settings.apply(
                constrained.withTruncatePrompt(true).uncached().withSeed(row.seed));
        Generation generation = executor.generator.generate(row.text, options, _ -> going.getAsBoolean());
        if (generation.finishReason() == FinishReason.CANCELLED) {
            throw new CancellationException("generation: cancelled with its task");
        }
        return generation;
    }

    private static Score score(ExecutorModel executor, String text, BooleanSupplier going) {
        ScoringOptions options = ScoringOptions.DEFAULT;
        return executor.scorer
                .score(List.of(executor.scorer.request("", text, options)), options, (_, _) -> going.getAsBoolean())
                .getFirst();
    }

    private static @Nullable Object[] each(Score score, Function<Prediction, Object> field) {
        return IntStream.range(0, score.tokens().length)
                .mapToObj(i -> score.prediction(i).map(field).orElse(null))
                .toArray();
    }

    private static Object[] each(Ranking ranking, Normalization normalization) {
        return IntStream.range(0, ranking.choices().size())
                .mapToObj(i -> ranking.logProbability(i, normalization))
                .toArray();
    }
}
