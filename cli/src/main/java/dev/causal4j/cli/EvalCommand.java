package dev.causal4j.cli;

import dev.causal4j.chat.ChatTemplate;
import dev.causal4j.generation.Engine;
import dev.causal4j.json.Json;
import dev.causal4j.model.CausalLM;
import dev.causal4j.model.Checkpoint;
import dev.causal4j.receipt.Statements;
import dev.causal4j.scoring.EvaluationOptions;
import dev.causal4j.scoring.EvaluationResult;
import dev.causal4j.scoring.Responder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Random;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Evaluates a model by the rules of other programs. */
@Command(
        name = "eval",
        description =
                "Evaluates a model by the rules of lm-evaluation-harness or of llama-perplexity, with digests that"
                        + " anybody can recompute.")
final class EvalCommand extends Subcommand {
    private static final String FORMAT = "causal4j.evaluation/1";

    @Option(
            names = "--protocol",
            paramLabel = "NAME",
            description = "Whose rules: lm-eval or llama-perplexity; default: lm-eval.")
    private String protocol = "lm-eval";

    @Parameters(
            arity = "0..*",
            paramLabel = "TASK",
            description = "Task files of lm-evaluation-harness, or names of tasks, groups or tags in their folders.")
    private List<String> names = List.of();

    @Option(names = "--tasks", paramLabel = "DIR", description = "Folder with more task files.")
    private @Nullable Path folder;

    @Option(names = "--list", description = "Show the names that are known and do nothing else.")
    private boolean list;

    @Option(
            names = "--data",
            paramLabel = "[NAME:]SPLIT=FILE",
            description = "JSON, JSONL or CSV file with a split's documents; NAME is that of a data set or task.")
    private List<String> data = List.of();

    @Option(names = "--num-fewshot", paramLabel = "N", description = "Examples, unless a task says 0.")
    private @Nullable Integer numFewshot;

    @Option(names = "--fewshot-seed", paramLabel = "N", description = "Seed of drawn examples; default: 1234.")
    private long fewshotSeed = EvaluationOptions.DEFAULT.fewshotSeed();

    @Option(names = "--limit", paramLabel = "N", description = "Documents of each task, or below 1 a share of them.")
    private @Nullable Double limit;

    @Option(names = "--apply-chat-template", description = "Make a conversation of each prompt.")
    private boolean chat;

    @Option(
            names = "--fewshot-as-multiturn",
            paramLabel = "BOOL",
            arity = "0..1",
            fallbackValue = "true",
            description = "Make turns of each example; false for one message of all. Default: true in a conversation.")
    private @Nullable Boolean multiturn;

    @Option(names = "--system-instruction", paramLabel = "T", description = "Text before all others.")
    private String systemInstruction = "";

    @Option(names = "--max-length", paramLabel = "M", description = "Most tokens of an input; default: the context.")
    private @Nullable Integer maxLength;

    @Option(names = "--out", paramLabel = "SAMPLES", description = "File for a line on each document.")
    private @Nullable Path out;

    @Option(names = "--resume", description = "Continue the interrupted run that wrote SAMPLES.")
    private boolean resume;

    @Option(names = "--overwrite", description = "Replace SAMPLES.")
    private boolean overwrite;

    @Option(
            names = "--check",
            paramLabel = "RESULT",
            description = "Compute the result of --json again, and name the first part that is wrong.")
    private @Nullable Path check;

    @Option(
            names = "--samples",
            paramLabel = "F",
            description = "With --check the lines of --out to compare; alone a log of the harness to compute again.")
    private @Nullable Path samples;

    @Option(names = "--spot", paramLabel = "N", description = "Compute only N documents of the samples again.")
    private @Nullable Integer spot;

    @Option(names = "--seed", paramLabel = "S", description = "Which documents --spot draws; default: 0.")
    private long seed;

    @Mixin
    private TemplateOption template;

    @Mixin
    private RunOptions model;

    @Mixin
    private LlamaPerplexityOptions perplexity;

    @Override
    public Integer call() throws IOException {
        return switch (protocol) {
            case "lm-eval" -> {
                perplexity.refuseOthers(LlamaPerplexityOptions.class);
                yield evaluate();
            }
            case LlamaPerplexityOptions.NAME -> {
                perplexity.refuseOthers(EvalCommand.class);
                yield perplexity.run(model, this);
            }
            default -> throw wrong("protocol: expected lm-eval or llama-perplexity, got " + Visible.quoted(protocol));
        };
    }

    private void checkUsage() {
        refuse(spot != null && (check == null || samples == null), "spot: expected --check and --samples, got none");
        refuse(spot != null && spot < 1, "spot: expected at least 1, got " + spot);
        refuse(out == null && (resume || overwrite), "out: expected --out with --resume or --overwrite, got none");
        refuse(resume && overwrite, "out: expected --resume or --overwrite, got both");
        refuse(
                !chat && Boolean.TRUE.equals(multiturn),
                "fewshot-as-multiturn: expected --apply-chat-template, got none");
        refuse(!chat && template.isGiven(), "template: expected --apply-chat-template with it, got none");
        refuse(limit != null && !(limit > 0), "limit: expected more than 0, got " + limit);
        refuse(maxLength != null && maxLength < 1, "max-length: expected at least 1, got " + maxLength);
        boolean tasks = check == null && samples == null;
        refuse(tasks == names.isEmpty() && !list, "TASK: expected either task files or names, or --check or --samples");
    }

    private int evaluate() throws IOException {
        checkUsage();
        if (check != null || samples != null) {
            return check != null ? check(check) : recompute(Objects.requireNonNull(samples));
        }
        TaskFiles files = new TaskFiles(Stream.concat(
                        names.stream()
                                .map(Path::of)
                                .filter(each -> each.toFile().isFile())
                                .map(each -> each.resolveSibling("")),
                        Stream.ofNullable(folder))
                .distinct()
                .toList());
        if (list) {
            Document all = new Document();
            files.names().forEach(all::put);
            print(
                    all,
                    files.names().entrySet().stream()
                            .map(each -> each.getKey() + "\t" + each.getValue())
                            .collect(Collectors.joining("\n")));
            return 0;
        }
        for (String each : names) {
            files.select(each);
        }
        EvalPlan plan = EvalPlan.of(files, data);
        Checkpoint opened = model.open();
        EvaluationOptions options = options(opened);
        CausalLM loaded = model.load(opened, model.options().withDigests(json));
        EvaluationResult result;
        try (Progress progress = new Progress("evaluating", "documents", plan.samples(options));
                SampleLines lines = new SampleLines(out, progress, plan.samples(options))) {
            if (out != null) {
                lines.write(out, overwrite, resume);
            }
            result = plan.evaluation().run(loaded, options, lines);
        } catch (SampleLines.Differs e) {
            throw new IOException(e.getMessage() + "; name another file", e);
        }
        Document document = new Document();
        if (json) {
            document.fields().putAll(Statements.of(FORMAT, loaded, plan.facts(options, result)));
        }
        print(
                document,
                new EvalTable(
                                        result,
                                        plan.groups().stream()
                                                .map(TaskFiles.Group::group)
                                                .toList())
                                .text() + "bits " + result.bits());
        return 0;
    }

    private EvaluationOptions options(Checkpoint opened) throws IOException {
        Optional<ChatTemplate> conversation = chat ? template.read(opened.templates()) : Optional.empty();
        refuse(
                chat && conversation.isEmpty(),
                "template: expected a model with a chat template, got none; give --template");
        return Usage.of(
                spec,
                () -> new EvaluationOptions(
                        numFewshot == null ? OptionalInt.empty() : OptionalInt.of(numFewshot),
                        fewshotSeed,
                        limit == null ? 0 : limit,
                        systemInstruction,
                        conversation,
                        multiturn == null ? chat : multiturn,
                        maxLength == null ? 0 : maxLength));
    }

    private int recompute(Path log) throws IOException {
        EvalLog found = new EvalLog(
                log, Responder.of(Engine.shared(model.load(model.open())), maxLength == null ? 0 : maxLength));
        found.read();
        print(found.document(), found.text());
        return 0;
    }

    private int check(Path file) throws IOException {
        Map<String, Object> all = Document.object(file.toString(), Document.value(file));
        Json stated = new Json(file.toString(), all);
        stated.check("format", FORMAT.equals(all.get("format")), FORMAT);
        stated.check("digest", Statements.hasItsDigest(all), "the digest of the result");
        stated.check(
                "arithmetic",
                Integer.valueOf(CausalLM.ARITHMETIC).equals(all.get("arithmetic")),
                "" + CausalLM.ARITHMETIC);
        EvalPlan plan = EvalPlan.of(stated);
        Checkpoint opened = model.open();
        EvaluationOptions options = EvalPlan.options(stated, opened.templates().specialTokens());
        CausalLM loaded = model.load(opened, model.options().withDigests(true));
        Map<String, Object> is = Statements.of(FORMAT, loaded, Map.of());
        Map<String, Object> head = new LinkedHashMap<>(all);
        head.keySet().retainAll(is.keySet());
        String wrong = difference(file, head, is);
        wrong = wrong.isEmpty() ? computed(file, all, plan, loaded, options) : wrong;
        Document document =
                new Document().put("verified", wrong.isEmpty()).put("difference", wrong.isEmpty() ? null : wrong);
        print(document, wrong.isEmpty() ? "verified" : "not verified, " + wrong);
        return wrong.isEmpty() ? 0 : 1;
    }

    private static String difference(Path file, Map<String, ?> stated, Map<String, ?> is) {
        return Statements.difference(stated, is)
                .map(each -> file + ": " + each.subject() + ": expected " + each.expected() + ", got " + each.got())
                .orElse("");
    }

    /** The first difference of what is computed; empty if there is none. */
    private String computed(
            Path file, Map<String, Object> stated, EvalPlan plan, CausalLM loaded, EvaluationOptions options)
            throws IOException {
        long total = plan.samples(options);
        try (Progress progress = new Progress("checking", "documents", total);
                SampleLines lines = new SampleLines(samples, progress, total)) {
            if (samples != null) {
                lines.read(samples);
                if (lines.count() != total) {
                    return samples + ": expected " + total + " lines, got " + lines.count();
                }
            }
            Set<Integer> drawn = spot == null
                    ? Set.of()
                    : new Random(seed)
                            .ints(0, lines.count())
                            .distinct()
                            .limit(Math.min(spot, total))
                            .boxed()
                            .collect(Collectors.toSet());
            lines.recompute(i -> spot == null || drawn.contains(i));
            EvaluationResult result = plan.evaluation().run(loaded, options, lines);
            String wrong = difference(file, stated, Statements.of(FORMAT, loaded, plan.facts(options, result)));
            if (!wrong.isEmpty() && spot != null) { // one that was not drawn
                lines.recompute(_ -> true);
                EvaluationResult _ = plan.evaluation().run(loaded, options, lines);
            }
            return wrong;
        } catch (SampleLines.Differs e) {
            return String.valueOf(e.getMessage());
        }
    }
}
