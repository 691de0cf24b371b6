package dev.causal4j.cli;

import dev.causal4j.generation.GenerationOptions;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Options of commands that generate. */
final class SamplingOptions {
    @Option(names = "--max-new-tokens", paramLabel = "N", description = "Most new tokens; default: 128, for chat 1024.")
    private @Nullable Integer maxNewTokens;

    @Option(names = "--min-new-tokens", paramLabel = "N", description = "Fewest new tokens before the text may end.")
    private int minNewTokens;

    @Option(
            names = "--temperature",
            paramLabel = "T",
            description = "0 is greedy; default: 1, the model's own distribution.")
    private @Nullable Double temperature;

    @Option(names = "--top-k", paramLabel = "K", description = "Sample from the K likeliest tokens.")
    private @Nullable Integer topK;

    @Option(
            names = "--top-p",
            paramLabel = "P",
            description = "Sample from the likeliest tokens with probability P together.")
    private @Nullable Double topP;

    @Option(
            names = "--min-p",
            paramLabel = "P",
            description = "Sample from tokens at least P times as likely as the likeliest.")
    private @Nullable Double minP;

    @Option(
            names = "--typical-p",
            paramLabel = "P",
            description = "Sample from the most typical tokens with probability P together.")
    private @Nullable Double typicalP;

    @Option(
            names = "--repetition-penalty",
            paramLabel = "R",
            description = "Above 1: makes tokens that occurred less likely.")
    private @Nullable Double repetitionPenalty;

    @Option(names = "--no-repeat-ngram-size", paramLabel = "N", description = "No run of N tokens occurs twice.")
    private @Nullable Integer noRepeatNgramSize;

    @Option(
            names = "--logit-bias",
            paramLabel = "ID=BIAS",
            split = ",",
            description = "Added to the logit of a token, or with commas of several; -Infinity bans it.")
    private Map<Integer, Double> logitBias = Map.of();

    @Option(names = "--stop", paramLabel = "TEXT", description = "End the text before TEXT; may be repeated.")
    private List<String> stop = List.of();

    @Option(
            names = "--eos",
            paramLabel = "IDS",
            description = "Token ids that end the text instead of the model's own; none for no such token.")
    private @Nullable String eos;

    @Option(
            names = "--seed",
            paramLabel = "S",
            description =
                    "The same seed gives the same text on every machine; default: a random one, shown by --json and on a terminal.")
    private @Nullable Long seed;

    @Spec(Spec.Target.MIXEE)
    private CommandSpec spec;

    /** The seed that was given, or a random one, which stays. */
    long seed() {
        if (seed == null) {
            // Not SecureRandom, which starts slowly: seeds need not be secret.
            seed = (long) ThreadLocalRandom.current().nextInt(Integer.MAX_VALUE);
        }
        return seed;
    }

    /**
     * Changes a setting.
     *
     * @param name of its option, without dashes
     * @throws IllegalArgumentException if there is no such setting, or the value is wrong; nothing is changed then
     */
    void set(String name, String value) {
        CommandSpec all = CommandSpec.forAnnotatedObject(this);
        OptionSpec option = all.findOption("--" + name);
        if (option == null) {
            String names = String.join(", ", all.optionsMap().keySet()).replace("--", "");
            throw new IllegalArgumentException("setting: expected " + names + ", got " + Visible.quoted(name));
        }
        Object before = option.getValue();
        try {
            new CommandLine(all).parseArgs("--" + name + "=" + value); // leaves the others as they are
            check();
        } catch (ParameterException e) {
            option.setValue(before);
            throw new IllegalArgumentException(Usage.message(e), e);
        }
    }

    /** The settings that are not the defaults, for instance {@code temperature 0.7, seed 1}. */
    String shown() {
        CommandSpec defaults = CommandSpec.forAnnotatedObject(new SamplingOptions());
        return CommandSpec.forAnnotatedObject(this).options().stream()
                .filter(option -> !Objects.equals(
                        option.getValue(),
                        defaults.findOption(option.longestName()).getValue()))
                .map(option -> option.longestName().substring(2) + " " + option.getValue())
                .collect(Collectors.joining(", "));
    }

    /** Refuses wrong usage before a model is loaded. */
    void check() {
        build(GenerationOptions.builder(), 1, List.of());
    }

    /**
     * Options from a builder that has the defaults.
     *
     * @param own the model's temperature; where it is greedy, a filter means to sample
     * @param stops texts that end the text besides those that are given
     */
    GenerationOptions build(GenerationOptions.Builder builder, double own, List<String> stops) {
        boolean filters = topK != null || topP != null || minP != null || typicalP != null;
        builder.minNewTokens(minNewTokens)
                .temperature(temperature != null ? temperature : filters && own == 0 ? 1 : own)
                .logitBias(logitBias)
                .stop(Stream.concat(stop.stream(), stops.stream()).toList())
                .seed(seed());
        ifGiven(maxNewTokens, builder::maxNewTokens);
        ifGiven(topK, builder::topK);
        ifGiven(topP, builder::topP);
        ifGiven(minP, builder::minP);
        ifGiven(typicalP, builder::typicalP);
        ifGiven(repetitionPenalty, builder::repetitionPenalty);
        ifGiven(noRepeatNgramSize, builder::noRepeatNgramSize);
        if (eos != null) {
            builder.eos(eos.equals("none") ? Set.of() : TokenIds.set(spec, "eos", eos));
        }
        return Usage.of(spec, builder::build);
    }

    private static <T> void ifGiven(@Nullable T value, Consumer<T> setter) {
        if (value != null) {
            setter.accept(value);
        }
    }
}
