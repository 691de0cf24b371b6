package dev.causal4j.constraint;

import dev.causal4j.FormatException;
import dev.causal4j.constraint.Expression.Call;
import dev.causal4j.json.Json;
import dev.causal4j.tokenizer.Vocabulary;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * The documents that a JSON Schema allows, with its properties in their order.
 *
 * @param lenient whether what cannot be held exactly is dropped, and listed, instead of refused
 */
record JsonSchema(String schema, Whitespace whitespace, boolean lenient) implements GrammarSource {
    @Override
    public Grammar compile(Terms terms, @Nullable Vocabulary vocabulary, List<String> ignored) {
        byte[] bytes = schema.getBytes(StandardCharsets.UTF_8);
        Limits.check("schema", bytes.length, Limits.SOURCE_BYTES, "bytes");
        SchemaDocument document = new SchemaDocument(read(bytes));
        JsonTerms json = new JsonTerms(terms, whitespace, Spelling.PLAIN, "", false);
        SchemaReader reader = new SchemaReader(document, json, lenient, ignored);
        Rules rules = new Rules(terms, vocabulary, ignored);
        Call root = rules.reserve("the schema at the root");
        SchemaGrammar values = new SchemaGrammar(json, reader, rules);
        rules.set(root, values.values.of(List.of(document.root())));
        values.finish();
        return Rewriting.of(rules.grammar(), terms, "schema");
    }

    static Object read(byte[] schema) {
        try {
            return Objects.requireNonNullElse(Json.exactValue("schema", schema), "");
        } catch (FormatException e) {
            throw new ConstraintException(e);
        }
    }
}
