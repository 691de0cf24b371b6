package dev.causal4j.cli;

import dev.causal4j.constraint.Constraint;
import dev.causal4j.constraint.ConstraintException;
import dev.causal4j.constraint.Matcher;
import dev.causal4j.constraint.Whitespace;
import dev.causal4j.json.Json;
import dev.causal4j.tokenizer.Tokenizer;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** Tests constraints without a model's weights. */
@Command(
        name = "constraint",
        description = "Prints how much of a text a constraint allows, and which tokens can follow a beginning.")
final class ConstraintCommand extends Subcommand {
    private static final String HEX = "hex:";

    @Option(
            names = "--jsonl",
            required = true,
            paramLabel = "IN",
            description =
                    "A JSON object a line with \"constraint\" (json_schema, json_object, regex, grammar or choice;"
                            + " whitespace), \"texts\" and \"prefixes\", an object a line out; - reads standard input.")
    @SuppressWarnings("NullAway.Init") // picocli injects it
    private String lines;

    @Mixin
    private TokenizerOptions tokenizers;

    @Override
    public Integer call() throws IOException {
        Tokenizer tokenizer = tokenizers.load();
        answerLines(lines, (subject, line) -> answer(subject, Json.exactTree(subject, line), tokenizer));
        return 0;
    }

    private static Document answer(String subject, Map<String, Object> given, Tokenizer tokenizer) {
        Document answer = new Document().put("id", given.get("id"));
        List<Object> texts = new ArrayList<>();
        List<Object> prefixes = new ArrayList<>();
        try {
            Constraint constraint = constraint(Document.object(subject + ": constraint", given.get("constraint")));
            long begun = System.nanoTime();
            constraint.start(tokenizer);
            answer.put("compile_micros", micros(begun)).put("ignored", constraint.ignored());
            for (String text : strings(given.get("texts"))) {
                Matcher matcher = constraint.start(tokenizer);
                int viable = matcher.accept(bytes(text));
                boolean complete = viable == bytes(text).length && matcher.isAccepting();
                texts.add(Json.object("viable", viable, "complete", complete));
            }
            for (String prefix : strings(given.get("prefixes"))) {
                prefixes.add(mask(constraint.start(tokenizer), bytes(prefix), tokenizer.vocabularySize()));
            }
        } catch (IllegalArgumentException e) {
            return new Document().put("id", given.get("id")).put("error", e.getMessage());
        }
        return answer.put("texts", texts).put("prefixes", prefixes);
    }

    private static Document mask(Matcher matcher, byte[] prefix, int vocabularySize) {
        int viable = matcher.accept(prefix);
        if (viable < prefix.length) {
            throw new IllegalArgumentException("prefix: expected one that can be completed, got one that can be for "
                    + viable + " of its " + prefix.length + " bytes");
        }
        long[] allowed = new long[Math.ceilDiv(vocabularySize, Long.SIZE)];
        long begun = System.nanoTime();
        matcher.mask(allowed);
        long micros = micros(begun);
        BitSet mask = BitSet.valueOf(allowed);
        List<String> runs = new ArrayList<>();
        for (int from = mask.nextSetBit(0); from >= 0; ) {
            int to = mask.nextClearBit(from);
            runs.add(to - from == 1 ? "" + from : from + "-" + (to - 1));
            from = mask.nextSetBit(to);
        }
        return new Document()
                .put("allowed", String.join(",", runs))
                .put("count", mask.cardinality())
                .put("eos", matcher.isAccepting())
                .put("micros", micros);
    }

    private static long micros(long begun) {
        return (System.nanoTime() - begun) / 1000;
    }

    private static Constraint constraint(Map<String, Object> given) {
        Whitespace whitespace = Whitespace.valueOf(
                given.getOrDefault("whitespace", "flexible").toString().toUpperCase(Locale.ROOT));
        Map<String, Object> kinds = new LinkedHashMap<>(given);
        kinds.remove("whitespace");
        Map.Entry<String, Object> kind =
                kinds.size() == 1 ? kinds.entrySet().iterator().next() : Map.entry("none", "");
        Object value = kind.getValue();
        return switch (kind.getKey()) {
            case "regex" -> Constraint.regex(value.toString());
            case "grammar" -> Constraint.grammar(value.toString());
            case "choice" -> Constraint.choice(strings(value));
            case "json_object" -> Constraint.schema("{\"type\":\"object\"}", whitespace);
            case "json_schema" -> Constraint.schema(new String(Json.write(value), StandardCharsets.UTF_8), whitespace);
            default -> {
                String known = "one of json_schema, json_object, regex, grammar and choice";
                throw new ConstraintException(
                        "constraint", known, given.keySet().toString(), "name one");
            }
        };
    }

    private static List<String> strings(@Nullable Object value) {
        return value instanceof List<?> list
                ? list.stream().map(Object::toString).toList()
                : List.of();
    }

    private static byte[] bytes(String text) {
        return text.startsWith(HEX)
                ? HexFormat.of().parseHex(text.substring(HEX.length()))
                : text.getBytes(StandardCharsets.UTF_8);
    }
}
