package dev.causal4j.cli;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Supplier;
import java.util.function.ToIntFunction;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jline.utils.Levenshtein;
import picocli.CommandLine.MissingParameterException;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.MutuallyExclusiveArgsException;
import picocli.CommandLine.OverwrittenOptionException;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.UnmatchedArgumentException;

/** Errors of wrong usage: exit status 2, and a hint at the help. */
final class Usage {
    /** Other programs' names of our options. */
    private static final Map<String, String> ELSEWHERE = Map.of(
            "-v", "--version",
            "-n", "--max-new-tokens",
            "--n-predict", "--max-new-tokens",
            "--max-tokens", "--max-new-tokens",
            "-m", "--model",
            "-t", "--threads",
            "-s", "--seed",
            "-f", "--file");

    private Usage() {}

    /** An error to throw. */
    static ParameterException wrong(CommandSpec spec, String message) {
        return new ParameterException(spec.commandLine(), message);
    }

    /** Throws if the usage is wrong. */
    static void refuse(CommandSpec spec, boolean wrong, String message) {
        if (wrong) {
            throw wrong(spec, message);
        }
    }

    /** Turns an IllegalArgumentException into a usage error. */
    static <T> T of(CommandSpec spec, Supplier<T> made) {
        try {
            return made.get();
        } catch (IllegalArgumentException e) {
            throw wrong(spec, String.valueOf(e.getMessage()));
        }
    }

    private static String commands(CommandSpec spec) {
        String before = spec.parent() == null ? "" : spec.name() + " ";
        return or(spec.subcommands().keySet().stream().map(name -> before + name));
    }

    private static String or(Stream<String> names) {
        List<String> all = new ArrayList<>(names.toList());
        String last = all.removeLast();
        return all.isEmpty() ? last : String.join(", ", all) + " or " + last;
    }

    /** The message of an error of picocli, reworded; messages of our own are unchanged. */
    static String message(ParameterException e) {
        CommandSpec spec = e.getCommandLine().getCommandSpec();
        ArgSpec arg = e.getArgSpec();
        return switch (e) {
            case UnmatchedArgumentException other ->
                unmatched(spec, other.getUnmatched().getFirst());
            case MissingParameterException missing ->
                spec.name() + ": expected "
                        + missing.getMissing().stream().map(Help::label).collect(Collectors.joining(", "))
                        + ", got none";
            case OverwrittenOptionException twice ->
                name(twice.getOverwritten()) + ": expected to be given once, got it twice";
            case MutuallyExclusiveArgsException _ ->
                spec.name() + ": expected "
                        + or(spec.argGroups().getFirst().args().stream().map(Help::label)) + ", got several";
            case ParameterException _
            when arg != null ->
                name(arg) + ": expected " + kind(arg) + ", got " + Visible.quoted(String.valueOf(e.getValue()));
            case ParameterException _
            when !spec.subcommands().isEmpty() -> "command: expected " + commands(spec) + ", got none";
            default -> String.valueOf(e.getMessage());
        };
    }

    private static String name(ArgSpec arg) {
        return arg instanceof OptionSpec option ? option.longestName().replaceFirst("^-+", "") : arg.paramLabel();
    }

    private static String kind(ArgSpec arg) {
        Class<?> type = arg.type();
        if (type.isEnum()) {
            return or(Stream.of(type.getEnumConstants())
                    .map(each -> each.toString().toLowerCase(Locale.ROOT)));
        }
        return switch (type.getSimpleName()) {
            case "int", "Integer" -> "a whole number of at most " + Integer.MAX_VALUE;
            case "long", "Long" -> "a whole number";
            case "double", "Double" -> "a number";
            case "boolean" -> "no value";
            default -> arg.paramLabel();
        };
    }

    private static String unmatched(CommandSpec spec, String given) {
        boolean option = given.startsWith("-");
        boolean command = !option && !spec.subcommands().isEmpty();
        String parameters =
                spec.positionalParameters().stream().map(Help::label).collect(Collectors.joining(" "));
        String expected = option
                ? "option: expected an option of " + spec.qualifiedName()
                : command
                        ? "command: expected " + commands(spec)
                        : "arguments: expected " + (parameters.isEmpty() ? "options" : parameters) + " alone";
        String got = option ? given.replaceFirst("=.*", "") : given;
        Optional<String> meant = Optional.ofNullable(ELSEWHERE.get(got))
                .filter(spec.optionsMap()::containsKey)
                .or(() -> similar(
                        got,
                        option ? spec.optionsMap().keySet() : spec.subcommands().keySet()));
        boolean text = parameters.startsWith("[") && (!option || got.equals("-p") || got.equals("--prompt"));
        String quotes = text ? "; give " + parameters.replaceAll("[\\[\\]]", "") + " as one argument, in quotes" : "";
        return expected + ", got " + Visible.quoted(got)
                + meant.map(name -> "; did you mean " + name + "?").orElse(quotes);
    }

    /** The name that begins with the text, or of which at most a third of the letters differ. */
    private static Optional<String> similar(String text, Collection<String> names) {
        ToIntFunction<String> distance = name -> name.startsWith(text) ? 0 : Levenshtein.distance(text, name);
        return text.length() < 3 || text.length() > 40
                ? Optional.empty()
                : names.stream()
                        .filter(name -> 3 * distance.applyAsInt(name) <= name.length())
                        .min(Comparator.comparingInt(distance));
    }
}
