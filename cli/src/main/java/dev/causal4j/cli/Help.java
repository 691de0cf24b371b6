package dev.causal4j.cli;

import java.lang.reflect.Member;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/** The help of a command, in 80 columns: its own options, then those it shares with others, in groups of one order. */
final class Help {
    private static final int WIDTH = 80;

    /** Where descriptions begin. */
    private static final int COLUMN = 25;

    private static final List<String> ORDER =
            List.of("Options", "Texts", "Data", "Training", "Sampling", "Form", "Chat template", "Model", "General");

    private Help() {}

    static String of(CommandSpec spec) {
        StringBuilder text = new StringBuilder("Usage: ");
        fill(text, usage(spec), text.length());
        fill(text, about(spec), 0);
        text.append(spec.positionalParameters().isEmpty() ? "" : "\n");
        spec.positionalParameters().forEach(each -> entry(text, label(each), each.description()));
        groups(spec).forEach((name, options) -> {
            text.append('\n').append(name).append(":\n");
            options.forEach(each -> entry(text, label(each), each.description()));
        });
        if (!spec.subcommands().isEmpty()) {
            text.append("\nCommands:\n");
            spec.subcommands()
                    .forEach((name, each) ->
                            entry(text, name, about(each.getCommandSpec()).split("(?<=\\.) ", 2)[0]));
        }
        return text.toString();
    }

    static String about(CommandSpec spec) {
        return String.join(" ", spec.usageMessage().description());
    }

    /** A call of the command with its required options and its parameters. */
    static String usage(CommandSpec spec) {
        StringBuilder usage = new StringBuilder(spec.qualifiedName());
        spec.options().stream()
                .filter(each -> each.required() && each.group() == null)
                .forEach(each -> usage.append(' ').append(label(each)));
        usage.append(" [OPTIONS]");
        spec.positionalParameters().forEach(each -> usage.append(' ').append(label(each)));
        return usage.append(spec.subcommands().isEmpty() ? "" : " COMMAND").toString();
    }

    /** The options in their groups, in the order of the groups. */
    static Map<String, List<OptionSpec>> groups(CommandSpec spec) {
        return spec.options().stream()
                .collect(Collectors.groupingBy(
                        Help::group,
                        () -> new TreeMap<>(Comparator.comparingInt(ORDER::indexOf)),
                        Collectors.toList()));
    }

    /** By the class that has the option. */
    private static String group(OptionSpec option) {
        Class<?> declaring = option.userObject() instanceof Member member
                ? member.getDeclaringClass()
                : option.userObject().getClass();
        Class<?> owner = declaring.getNestHost();
        return switch (owner.getSimpleName()) {
            case "TextOptions", "LinesOptions" -> "Texts";
            case "DataOptions", "TrainingData" -> "Data";
            case "TrainOptions" -> "Training";
            case "SamplingOptions" -> "Sampling";
            case "ConstraintOptions" -> "Form";
            case "TemplateOption", "TemplateOptions" -> "Chat template";
            case "ModelOptions", "RunOptions", "ShapeOptions", "AdapterOption", "PoolingOptions", "TokenizerOptions" ->
                "Model";
            case "Main", "Subcommand" -> "General";
            default -> "Options";
        };
    }

    /** An option with all its names and its value, or a parameter, as the help shows it. */
    static String label(ArgSpec arg) {
        String value = arg.paramLabel() + (arg.arity().max() > 1 ? "..." : "");
        if (arg instanceof OptionSpec option) {
            return String.join(", ", option.names()) + (arg.arity().max() == 0 ? "" : "=" + value);
        }
        return arg.required() ? value : "[" + value + "]";
    }

    private static void entry(StringBuilder text, String name, String... about) {
        String begin = "  " + name + "  ";
        if (begin.length() > COLUMN) {
            text.append(begin.stripTrailing()).append('\n').repeat(' ', COLUMN);
        } else {
            text.append(begin).repeat(' ', COLUMN - begin.length());
        }
        fill(text, String.join(" ", about), COLUMN);
    }

    /** A text in lines of the width of the help. */
    static String filled(String words) {
        StringBuilder text = new StringBuilder();
        fill(text, words, 0);
        return text.toString().stripTrailing();
    }

    /** Wraps words into lines that begin at a column; the first line is already there. Breaks no word. */
    static void fill(StringBuilder text, String words, int indent) {
        int column = indent;
        for (String word : words.split(" ", -1)) {
            if (column > indent && column + 1 + word.length() > WIDTH) {
                text.append('\n').repeat(' ', indent);
                column = indent;
            }
            String next = column > indent ? " " + word : word;
            text.append(next);
            column += next.length();
        }
        text.append('\n');
    }
}
