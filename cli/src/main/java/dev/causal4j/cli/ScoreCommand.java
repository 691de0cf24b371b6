package dev.causal4j.cli;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.scoring.Ranking;
import dev.causal4j.scoring.Score;
import dev.causal4j.scoring.Scorer;
import dev.causal4j.scoring.Scorer.ConstrainedScore;
import dev.causal4j.scoring.Scorer.Spellings;
import dev.causal4j.scoring.ScoringListener;
import dev.causal4j.scoring.ScoringOptions;
import dev.causal4j.scoring.ScoringRequest;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Scores a text, many texts, or several continuations. */
@Command(name = "score", description = "Scores a text token by token.")
final class ScoreCommand extends Subcommand {
    @Parameters(
            arity = "0..1",
            paramLabel = "TEXT",
            description =
                    "The text to score, or the prompt of --choices; - reads standard input, without its last line end.")
    private @Nullable String text;

    @Option(
            names = "--file",
            paramLabel = "F",
            description = "File with the text, or folder whose files are scored as by --jsonl.")
    private @Nullable Path file;

    @Option(names = "--tokens", paramLabel = "IDS", description = "The text as token ids, for instance 1028,363.")
    private @Nullable String tokens;

    @Option(
            names = "--choices",
            paramLabel = "F",
            description = "File with continuations of TEXT to rank, one a line, spaces included; - reads"
                    + " standard input.")
    private @Nullable String choices;

    @Option(
            names = "--spellings",
            description =
                    "With --choices: the probability of each text, summed over all token sequences that spell it.")
    private boolean spellings;

    @Option(
            names = "--prefix",
            paramLabel = "TEXT",
            description = "Context before the text, not scored; with it the text's first token is scored.")
    private String prefix = "";

    @Option(
            names = "--stride",
            paramLabel = "N",
            description = "Tokens that each further window of a long text scores; default: half the context.")
    private int stride;

    @Option(names = "--top", paramLabel = "K", description = "Show the K best candidates at each place.")
    private int top;

    @Option(names = "--totals", description = "Show only the sums.")
    private boolean totalsOnly;

    @Mixin
    private ConstraintOptions constraint;

    @Mixin
    private TextOptions texts;

    @Mixin
    private LinesOptions lines;

    @Mixin
    private RunOptions model;

    @Mixin
    private AdapterOption adapter;

    @Mixin
    private final PrefixStoreOption prefixes = new PrefixStoreOption();

    @Override
    public Integer call() throws IOException {
        try (prefixes) {
            return score();
        }
    }

    private int score() throws IOException {
        if (file != null && Files.isDirectory(file)) {
            lines.in = file.toString();
            file = null;
        }
        checkUsage();
        ScoringOptions options =
                Usage.of(spec, () -> ScoringOptions.DEFAULT.withStride(stride).withAlternatives(top));
        Constraint form = constraint.read();
        refuse(
                form != null && (choices != null || lines.in != null || stride != 0 || top != 0),
                "constraint: expected a text as TEXT, --file or --tokens, got --choices, --jsonl, --stride or --top");
        int[] ids = tokens == null ? null : TokenIds.parse(spec, "tokens", tokens);
        String given = text != null ? TextInput.argument(text) : file != null ? TextInput.file(file) : "";
        List<String> continuations = continuations();
        Checkpoint opened = model.open();
        int contextLength = opened.config().decoder().contextLength();
        refuse(
                stride > contextLength,
                "stride: expected at most the context length " + contextLength + ", got " + stride);
        int[] before = prefix.isEmpty() ? new int[0] : texts.encode(opened.requireTokenizer(), prefix);
        refuse(
                before.length > contextLength,
                "prefix: expected at most " + contextLength + " tokens, the context length, got " + before.length);
        CausalLM loaded = prefixes.use(adapter.addTo(model.load(opened, prefixes.addTo(model.options()))));
        if (lines.in != null) {
            return scoreLines(loaded, before, options);
        }
        int[] encoded =
                ids != null ? ids : given.isEmpty() ? new int[0] : encode(loaded.requireTokenizer(), given, form);
        if (form != null) {
            score(loaded, before, encoded, form);
        } else if (spellings) {
            rankSpellings(loaded, encoded, continuations);
        } else if (choices != null) {
            rank(loaded, encoded, continuations, options);
        } else {
            score(loaded, new ScoringRequest(before, encoded), options);
        }
        return 0;
    }

    /** The tokens of a text; under a constraint and without a prefix the scorer adds the BOS token. */
    private int[] encode(Tokenizer tokenizer, String given, @Nullable Constraint form) {
        return !prefix.isEmpty()
                ? tokenizer.encodeContinuation(given, texts.specialTokens())
                : form == null ? texts.encode(tokenizer, given) : tokenizer.encode(given, texts.specialTokens());
    }

    private void checkUsage() {
        long texts =
                Stream.of(text, file, tokens, lines.in).filter(Objects::nonNull).count();
        refuse(
                texts != 1,
                "text: expected one of TEXT, --file, --tokens and --jsonl, got " + (texts == 0 ? "none" : "several"));
        lines.check(json);
        refuse(
                "-".equals(choices) && "-".equals(text),
                "choices: expected another source than TEXT, got standard input for both");
        refuse(
                choices != null && (lines.in != null || !prefix.isEmpty() || stride != 0),
                "choices: expected a prompt as TEXT, --file or --tokens, got --jsonl, --prefix or --stride");
        refuse(spellings && choices == null, "spellings: expected --choices beside it, got none");
    }

    private List<String> continuations() throws IOException {
        if (choices == null) {
            return List.of();
        }
        String all = TextInput.fileOrInput(choices);
        if (all.isEmpty()) {
            throw new IllegalArgumentException(choices + ": expected a choice a line, got none");
        }
        return all.lines().toList();
    }

    private ScoreDocument documents(CausalLM loaded) {
        return new ScoreDocument(new Pieces(loaded.tokenizer()), totalsOnly, top);
    }

    private ScoreTable table(CausalLM loaded) {
        return new ScoreTable(new Pieces(loaded.tokenizer()), stdout());
    }

    private void score(CausalLM loaded, ScoringRequest request, ScoringOptions options) {
        Score score = watched(listener -> new Scorer(loaded).score(List.of(request), options, listener))
                .getFirst();
        if (!json) {
            table(loaded).score(score, totalsOnly, top);
            return;
        }
        Document document = new Document();
        if (request.prefix().length > 0) {
            document.put("prefix_tokens", request.prefix());
        }
        stdout().println(documents(loaded).add(score, document));
    }

    private void score(CausalLM loaded, int[] before, int[] ids, Constraint form) {
        ConstrainedScore score = new Scorer(loaded).score(before, ids, form);
        if (!json) {
            table(loaded).score(score.score(), totalsOnly, top);
            table(loaded).constraint(score);
            return;
        }
        Document met = new Document()
                .put("allowed", score.isAllowed())
                .put("leaves_at", score.leavesAt().stream().boxed().findFirst())
                .put("log_probability", score.logProbability())
                .put("lost_log_probability", score.lostLogProbability())
                .put("ignored", constraint.ignored());
        stdout().println(documents(loaded).add(score.score(), new Document()).put("constraint", met));
    }

    private void rankSpellings(CausalLM loaded, int[] prompt, List<String> continuations) {
        List<Constraint> forms = continuations.stream()
                .map(each -> Constraint.choice(List.of(each)))
                .toList();
        Spellings made = new Scorer(loaded).rankSpellings(prompt, forms);
        if (json) {
            stdout().println(ScoreDocument.spellings(prompt, continuations, made));
        } else {
            ScoreTable.spellings(continuations, made, stdout());
        }
    }

    private void rank(CausalLM loaded, int[] prompt, List<String> continuations, ScoringOptions options) {
        Tokenizer tokenizer = loaded.requireTokenizer();
        List<int[]> encoded = continuations.stream()
                .map(choice -> tokenizer.encodeContinuation(choice, texts.specialTokens()))
                .toList();
        Ranking ranking = watched(listener -> new Scorer(loaded).rank(prompt, encoded, options, listener));
        if (json) {
            stdout().println(documents(loaded).ranking(prompt, continuations, ranking));
        } else {
            table(loaded).ranking(continuations, ranking);
        }
    }

    /** Scores with a progress bar. */
    private static <T> T watched(Function<ScoringListener, T> scoring) {
        try (Progress progress = Progress.late("scoring", "tokens")) {
            return scoring.apply(progress::at);
        }
    }

    private int scoreLines(CausalLM loaded, int[] before, ScoringOptions options) throws IOException {
        Tokenizer tokenizer = loaded.requireTokenizer();
        Scorer scorer = new Scorer(loaded);
        ScoreLines scoring = new ScoreLines(
                each -> new ScoringRequest(before, encode(tokenizer, each, null)),
                requests -> scorer.score(requests, options, ScoringListener.NONE),
                documents(loaded),
                lines,
                spec.commandLine());
        return scoring.run("scoring", json) ? 0 : 1;
    }
}
