package dev.causal4j.cli;

import dev.causal4j.chat.Answer;
import dev.causal4j.chat.AnswerParser;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.json.Json;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Shows what answers mean. */
@Command(name = "parse", description = "Finds content, thoughts and calls of tools in answers; the inverse of render.")
final class TokenizerParseCommand extends Subcommand {
    @Option(names = "--calls", paramLabel = "NAME", description = "How calls are written, such as hermes.")
    private @Nullable String calls;

    @Mixin
    private TemplateOption template;

    @Option(names = "--model", paramLabel = "PATH", description = "Folder or GGUF file with a template.")
    private @Nullable Path model;

    @Option(names = "--tools", paramLabel = "FILE", description = "A JSON list of the tools that may be called.")
    private @Nullable Path tools;

    @Option(
            names = "--jsonl",
            paramLabel = "IN",
            required = true,
            description =
                    "Answers: a JSON object a line with \"text\" or \"chunks\", an object a line out; - reads standard"
                            + " input. \"reasoning_open\": true says that the prompt ended inside a thought.")
    private String lines = "";

    @Override
    public Integer call() throws IOException {
        refuse(
                (calls == null ? 0 : 1) + (template.isGiven() ? 1 : 0) + (model == null ? 0 : 1) != 1,
                "calls: expected one of --calls, --template and --model, got none or several");
        ToolFormat format = format();
        List<ToolDefinition> known = tools == null ? List.of() : ToolOptions.read(tools);
        answerLines(lines, (subject, line) -> parsed(format, known, new Json(subject, Json.tree(subject, line))));
        return 0;
    }

    private ToolFormat format() throws IOException {
        if (calls != null) {
            String label = calls;
            return Usage.of(spec, () -> ToolFormat.named(label));
        }
        return ToolFormat.of(template.require(model));
    }

    private static Document parsed(ToolFormat format, List<ToolDefinition> tools, Json line) throws IOException {
        List<String> chunks = line.has("chunks") ? line.strings("chunks") : List.of(line.requireString("text"));
        Deltas deltas = new Deltas();
        boolean inThought = line.bool("reasoning_open", false);
        AnswerParser parser = new AnswerParser(format, tools, ToolChoice.AUTO, inThought, 0, deltas);
        List<Document> all = new ArrayList<>();
        for (String chunk : chunks.subList(0, Math.max(0, chunks.size() - 1))) {
            parser.accept(chunk);
            all.add(deltas.take());
        }
        parser.accept(chunks.isEmpty() ? "" : chunks.getLast());
        Answer answer = parser.end(line.string("finish_reason", "stop"));
        all.add(deltas.take());
        Document document = new Document();
        ToolOptions.put(document, answer);
        return document.put("deltas", all);
    }

    /** Collects the parts since the last call. */
    private static final class Deltas implements Answer.Listener {
        private Document delta = new Document();
        private List<Document> told = new ArrayList<>();

        Document take() {
            Document taken = told.isEmpty() ? delta : delta.put("tool_calls", told);
            delta = new Document();
            told = new ArrayList<>();
            return taken;
        }

        @Override
        public void content(String piece) {
            append("content", piece);
        }

        @Override
        public void reasoning(String piece) {
            append("reasoning_content", piece);
        }

        private void append(String name, String piece) {
            delta.put(name, delta.fields().getOrDefault(name, "") + piece);
        }

        @Override
        public void call(int index, String id, String name) {
            told.add(new Document().put("index", index).put("id", id).put("name", name));
        }

        @Override
        public void arguments(int index, String piece) {
            if (told.isEmpty()) {
                told.add(new Document().put("index", index));
            }
            Document call = told.getLast();
            call.put("arguments", call.fields().getOrDefault("arguments", "") + piece);
        }
    }
}
