package dev.causal4j.cli;

import dev.causal4j.MemoryLimitException;
import dev.causal4j.compute.Compute;
import dev.causal4j.kernel.choice.Kernels;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.net.UnknownHostException;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.NotDirectoryException;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import java.util.function.Predicate;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** The program {@code causal4j}. Exit status: 0 done, 1 failed, 2 wrong usage. */
@Command(name = "causal4j", description = "Generates, scores and trains with a causal language model, in pure Java.")
public final class Main implements Callable<Integer> {
    /** The command that started it, as typed. */
    static final String NAME = System.getProperty("causal4j.command", "causal4j");

    /** In the order of the help. */
    private static final List<Class<?>> COMMANDS = List.of(
            GenerateCommand.class,
            ChatCommand.class,
            RunCommand.class,
            ScoreCommand.class,
            EmbedCommand.class,
            EvalCommand.class,
            VerifyCommand.class,
            TrainCommand.class,
            ServeCommand.class,
            DetectCommand.class,
            InspectCommand.class,
            BenchCommand.class,
            ConvertCommand.class,
            PullCommand.class,
            ListCommand.class,
            RmCommand.class,
            TokenizerCommand.class,
            ConstraintCommand.class,
            SnapshotCommand.class);

    @Option(names = "--debug", scope = ScopeType.INHERIT, description = "Show stack traces.")
    private boolean debug;

    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            scope = ScopeType.INHERIT,
            description = "Show this help.")
    @SuppressWarnings("UnusedVariable") // picocli acts on it
    private boolean help;

    @Option(
            names = {"-V", "--version"},
            description = "Show version, JDK and the kernels in use.")
    private boolean version;

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli injects it
    private CommandSpec spec;

    private Main() {}

    /** Runs a command and ends the JVM with its exit status. */
    public static void main(String[] args) {
        // The library warns through System.Logger; on a terminal one line is enough.
        System.setProperty("java.util.logging.SimpleFormatter.format", "%4$s: %5$s%n");
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        int status = run(args, out, System.err);
        out.flush();
        System.exit(status);
    }

    static int run(String[] args, PrintStream out, PrintStream err) {
        Locale.setDefault(Locale.ROOT); // messages and numbers are the same everywhere
        if (args.length > 0 && args[0].equals("help")) { // as git has it
            args = Stream.concat(Stream.of(args).skip(1), Stream.of("--help")).toArray(String[]::new);
        }
        Main main = new Main();
        PrintWriter errors = new PrintWriter(err, true, StandardCharsets.UTF_8);
        String called = Stream.of(args)
                .filter(each -> !each.startsWith("-"))
                .findFirst()
                .orElse("");
        CommandLine command = commands(main, called::equals);
        command.setCommandName(NAME)
                .setOut(new PrintWriter(out, true, StandardCharsets.UTF_8))
                .setErr(errors)
                .setExpandAtFiles(false) // a prompt may begin with @
                .setCaseInsensitiveEnumValuesAllowed(true)
                .setParameterExceptionHandler((e, _) -> usageError(e))
                .setExecutionExceptionHandler((e, _, _) -> failure(e, errors, main.debug));
        try {
            int status = command.execute(args);
            if (status == 0 && out.checkError()) {
                errors.println("standard output: expected to be able to write to it, got an error; free the disk or"
                        + " keep its reader running");
                return 1;
            }
            return status;
        } catch (Error e) { // out of memory, or kernels that are missing
            return failure(e, errors, main.debug);
        }
    }

    /** All commands as the parser knows them. */
    static CommandSpec commands() {
        return commands(new Main(), _ -> true).getCommandSpec();
    }

    /** The commands, of which only those called have options: reading all would take a tenth of a second. */
    private static CommandLine commands(Main main, Predicate<String> called) {
        CommandLine commands = new CommandLine(main);
        for (Class<?> each : COMMANDS) {
            Command about = each.getAnnotation(Command.class);
            CommandSpec named = CommandSpec.create();
            named.usageMessage().description(about.description());
            commands.addSubcommand(about.name(), called.test(about.name()) ? each : named);
        }
        return commands.setHelpSectionKeys(List.of("all"))
                .setHelpSectionMap(Map.of("all", help -> Help.of(help.commandSpec())));
    }

    @Override
    public Integer call() {
        if (version) {
            // Not picocli's version help, which would load the kernels for every help text.
            String version = Main.class.getPackage().getImplementationVersion();
            PrintWriter out = spec.commandLine().getOut();
            out.println("causal4j " + Objects.requireNonNullElse(version, "(not packaged)"));
            out.println("JDK " + Runtime.version());
            out.println("kernels " + Kernels.name() + ", " + Compute.shared().threads() + " threads");
            return 0;
        }
        throw Usage.wrong(spec, "no command");
    }

    private static int usageError(ParameterException e) {
        CommandLine command = e.getCommandLine();
        String message = oneLine(Usage.message(e));
        String help = "; see " + command.getCommandSpec().qualifiedName() + " --help";
        command.getErr().println(wrapped(message.endsWith("?") ? message : message + help));
        return 2;
    }

    /** A message for standard error: on a terminal in lines that break no word. */
    private static String wrapped(String message) {
        return Boolean.getBoolean(Streaming.ERRORS) ? Help.filled(message) : message;
    }

    private static int failure(Throwable e, PrintWriter err, boolean debug) {
        if (debug) {
            e.printStackTrace(err);
        } else {
            err.println(wrapped(message(e)));
        }
        err.flush();
        return 1;
    }

    /** Any failure as one line. */
    static String message(Throwable e) {
        Throwable shown = e;
        while ((shown instanceof ExceptionInInitializerError || shown instanceof CompletionException)
                && shown.getCause() != null) {
            shown = shown.getCause();
        }
        if (shown instanceof UncheckedIOException unchecked && unchecked.getCause() != null) {
            shown = unchecked.getCause();
        }
        String text = shown.getMessage();
        return switch (shown) {
            case OutOfMemoryError _ ->
                "memory: expected enough for the model and the request, got no more (" + oneLine(text)
                        + "); give Java more (CAUSAL4J_JAVA_OPTS=-Xmx8g) or ask for less";
            case MemoryLimitException _ -> oneLine(text) + " in CAUSAL4J_JAVA_OPTS";
            case FileSystemException file ->
                oneLine(file.getFile()) + ": expected to be able to use this file, got " + reason(file);
            case UnknownHostException _ ->
                "host: expected a name or an address of this machine, got "
                        + oneLine(text).replaceFirst(":.*", "");
            case IOException _, IllegalArgumentException _, IllegalStateException _, ArithmeticException _
            when text != null -> oneLine(text.replaceAll("\\b(\\w+\\.)+[A-Z]\\w*(Exception|Error)(: )?", ""));
            default ->
                "causal4j: unexpected " + shown.getClass().getName() + ": " + oneLine(text)
                        + "; run again with --debug and report it";
        };
    }

    private static String reason(FileSystemException e) {
        return switch (e) {
            case NoSuchFileException _ -> "no such file; check the path";
            case AccessDeniedException _ -> "no permission; change that or choose another";
            case FileAlreadyExistsException _ -> "one that exists; choose another";
            case NotDirectoryException _ -> "a file where a folder must be; check the path";
            case DirectoryNotEmptyException _ -> "a folder with files; choose another";
            default -> "an error (" + oneLine(e.getReason()) + "); check the path and the disk";
        };
    }

    private static String oneLine(@Nullable String text) {
        return text == null ? "no message" : text.strip().replaceAll("\\s*\\p{Cc}+\\s*", " ");
    }
}
