package dev.causal4j.cli;

import dev.causal4j.generation.GenerationOptions;
import dev.causal4j.generation.GenerationOptions.Setting;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Options of commands that generate: one for each {@link Setting}, and those that are no numbers. */
final class SamplingOptions extends SharedOptions {
    @Mixin
    private final CommandSpec numbers = CommandSpec.create();

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

    @Mixin
    private DraftOption draft = new DraftOption();

    @Mixin
    private MarkOption mark = new MarkOption();

    SamplingOptions() {
        for (Setting setting : Setting.values()) {
            String[] about = about(setting).split(": ", 2);
            numbers.addOption(OptionSpec.builder("--" + setting.kebab())
                    .type(setting.standard().getClass())
                    .paramLabel(about[0])
                    .description(about[1])
                    .userObject(this)
                    .hasInitialValue(false) // parsing again keeps the value
                    .build());
        }
    }

    /** The label of a setting's value, and the description. */
    private static String about(Setting setting) {
        return switch (setting) {
            case MAX_NEW_TOKENS -> "N: Most new tokens; default: 128, for chat 1024.";
            case MIN_NEW_TOKENS -> "N: Fewest new tokens before the text may end.";
            case TEMPERATURE -> "T: 0 is greedy; default: 1, the model's own distribution.";
            case TOP_K -> "K: Sample from the K likeliest tokens.";
            case TOP_P -> "P: Sample from the likeliest tokens with probability P together.";
            case MIN_P -> "P: Sample from tokens at least P times as likely as the likeliest.";
            case TYPICAL_P -> "P: Sample from the most typical tokens with probability P together.";
            case REPETITION_PENALTY -> "R: Above 1: makes tokens that occurred less likely.";
            case NO_REPEAT_NGRAM_SIZE -> "N: No run of N tokens occurs twice.";
            case FREQUENCY_PENALTY -> "F: Above 0: makes generated tokens less likely, each time they occur.";
            case PRESENCE_PENALTY -> "F: Above 0: makes generated tokens less likely, once they have occurred.";
            case SEED ->
                "S: The same seed gives the same text on every machine; default: a random one, shown by --json and"
                        + " on a terminal.";
        };
    }

    private OptionSpec option(Setting setting) {
        return numbers.findOption("--" + setting.kebab());
    }

    /** The seed that was given, or a random one, which stays. */
    long seed() {
        OptionSpec seed = option(Setting.SEED);
        if (seed.getValue() == null) {
            seed.setValue(GenerationOptions.randomSeed());
        }
        return seed.getValue();
    }

    /**
     * Changes a setting.
     *
     * @param name of its option, without dashes
     * @return the options, as of {@link #build}
     * @throws IllegalArgumentException if there is no such setting, or the value is wrong; nothing is changed then
     */
    GenerationOptions set(String name, String value, GenerationOptions own) {
        CommandSpec all = CommandSpec.forAnnotatedObject(this);
        OptionSpec option = all.findOption("--" + name);
        if (option == null) {
            String names = String.join(", ", all.optionsMap().keySet()).replace("--", "");
            throw new IllegalArgumentException("setting: expected " + names + ", got " + Visible.quoted(name));
        }
        Object before = option.getValue();
        try {
            new CommandLine(all)
                    .setCaseInsensitiveEnumValuesAllowed(true)
                    .parseArgs("--" + name + "=" + value); // leaves the others as they are
            return build(own);
        } catch (IOException | RuntimeException e) {
            option.setValue(before);
            throw new IllegalArgumentException(
                    e instanceof ParameterException wrong ? Usage.message(wrong) : Main.message(e), e);
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

    /** The settings that are not the defaults, as a command line has them. */
    List<String> arguments() {
        Stream<String> numbers = Stream.of(Setting.values())
                .filter(each -> option(each).getValue() != null)
                .map(each -> "--" + each.kebab() + "=" + option(each).getValue());
        Stream<String> biases = logitBias.entrySet().stream().map(each -> "--logit-bias=" + each);
        Stream<String> stops = stop.stream().map(each -> "--stop=" + each);
        Stream<String> ends = Stream.ofNullable(eos).map(each -> "--eos=" + each);
        return Stream.of(numbers, biases, stops, ends).flatMap(each -> each).toList();
    }

    /**
     * Other settings with the same draft.
     *
     * @param arguments as of {@link #arguments}
     * @throws IllegalArgumentException if one is wrong
     */
    SamplingOptions with(List<String> arguments) {
        SamplingOptions read = new SamplingOptions();
        try {
            new CommandLine(CommandSpec.forAnnotatedObject(read))
                    .setExpandAtFiles(false) // a stranger may have written them
                    .parseArgs(arguments.toArray(String[]::new));
        } catch (ParameterException e) {
            throw new IllegalArgumentException(Usage.message(e), e);
        }
        read.spec = spec;
        read.draft = draft;
        read.mark = mark;
        return read;
    }

    /** Options that begin with the model's own. Where those are greedy, a filter means to sample. */
    GenerationOptions build(GenerationOptions own) throws IOException {
        seed();
        Map<Setting, Number> given = Stream.of(Setting.values())
                .filter(each -> option(each).getValue() != null)
                .collect(Collectors.toMap(each -> each, each -> option(each).<Number>getValue()));
        if (own.temperature() == 0 && given.keySet().stream().anyMatch(Setting::isFilter)) {
            given.putIfAbsent(Setting.TEMPERATURE, 1);
        }
        GenerationOptions begun = mark.read().map(own::withMark).orElse(own);
        return Usage.of(spec, () -> {
            GenerationOptions options = begun.with(given)
                    .withLogitBias(logitBias)
                    .withDraft(draft.draft())
                    .withStop(Stream.concat(stop.stream(), own.stop().stream()).toList());
            return eos == null
                    ? options
                    : options.withEos(eos.equals("none") ? Set.of() : TokenIds.set(spec, "eos", eos));
        });
    }
}
