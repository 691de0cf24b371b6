package dev.causal4j.constraint;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.constraint.Expression.Choice;
import dev.causal4j.constraint.Expression.Repeat;
import dev.causal4j.constraint.Expression.Sequence;
import dev.causal4j.json.Json;
import dev.causal4j.tokenizer.Vocabulary;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The texts that a model may write. Immutable and thread-safe; each sequence has a matcher of its own.
 *
 * <p>Constraints made here are held exactly: a token is allowed if and only if some of the texts begins with the text so far
 * and it. They are compiled when they first meet a vocabulary, and kept for it. One that cannot be held is refused then
 * with a {@link ConstraintException}, also one that would need characters that the vocabulary cannot write.
 */
@FunctionalInterface
public interface Constraint {
    /**
     * Returns a matcher of an empty text, for the tokens of a vocabulary such as a {@link dev.causal4j.tokenizer.Tokenizer}.
     *
     * @throws ConstraintException if the constraint cannot be held
     */
    Matcher start(Vocabulary vocabulary);

    /** Whether {@link #start} has nothing to compile for the vocabulary. Cheap: it waits for nobody. */
    default boolean isCompiled(Vocabulary vocabulary) {
        return true;
    }

    /** The bytes of what is compiled for the vocabulary, which grow in use; 0 for nothing. Cheap: it waits for nobody. */
    default long bytes(Vocabulary vocabulary) {
        return 0;
    }

    /**
     * Parts of the constraint that have no effect, such as the annotations of a schema.
     *
     * @throws ConstraintException if the constraint cannot be held
     */
    default List<String> ignored() {
        return List.of();
    }

    /**
     * The constraint as values of JSON, from which {@link #described} makes an equal one; empty for a constraint of your
     * own.
     */
    default Optional<Map<String, Object>> description() {
        return Optional.empty();
    }

    /**
     * The constraint of a {@linkplain #description() description}. Its parts are checked when it is compiled.
     *
     * @throws FormatException if no constraint has the description
     */
    static Constraint described(Map<?, ?> description) throws FormatException {
        return Description.of(new Json("constraint", description)).constraint();
    }

    /** The texts that a regular expression of ECMA-262 matches as a whole. */
    static Constraint regex(String pattern) {
        return new GrammarConstraint(
                "regex",
                List.of(pattern),
                (terms, vocabulary, ignored) -> Grammar.of(Regex.whole(terms, pattern, Spelling.RAW, "regex")));
    }

    /** Exactly these texts, at most 100,000. */
    static Constraint choice(List<String> texts) {
        List<String> all = List.copyOf(texts);
        return new GrammarConstraint("choice", all, (terms, vocabulary, ignored) -> {
            Limits.check("choice", all.size(), Limits.VALUES, "texts");
            if (all.isEmpty() || all.contains("") || new HashSet<>(all).size() < all.size()) {
                String got = all.isEmpty() ? "none" : "others";
                throw new ConstraintException("choice", "different texts that are not empty", got, "mend the list");
            }
            return Grammar.of(terms.texts(all, Spelling.RAW, "choice"));
        });
    }

    /** The texts of a grammar in llama.cpp's GBNF. */
    static Constraint grammar(String gbnf) {
        return new GrammarConstraint("grammar", List.of(gbnf), new Gbnf(gbnf));
    }

    /** The JSON documents that a JSON Schema allows, with flexible white space. */
    static Constraint schema(String json) {
        return schema(json, Whitespace.FLEXIBLE);
    }

    /** The JSON documents that a JSON Schema allows. */
    static Constraint schema(String json, Whitespace whitespace) {
        return schema(json, whitespace, false);
    }

    /**
     * The JSON documents that a JSON Schema allows.
     *
     * @param lenient drops what cannot be held, and lists it
     */
    static Constraint schema(String json, Whitespace whitespace, boolean lenient) {
        return new GrammarConstraint(
                "schema", List.of(json, whitespace.name(), "" + lenient), new JsonSchema(json, whitespace, lenient));
    }

    /** Any JSON object, with flexible white space. */
    static Constraint jsonObject() {
        return schema("{\"type\": \"object\"}");
    }

    /** Texts of the parts, one after the other. */
    static Constraint sequence(Constraint... parts) {
        return GrammarConstraint.of("sequence", List.of(), List.of(parts), (rules, roots) -> new Sequence(roots));
    }

    /** The texts of any of the options. */
    static Constraint anyOf(Constraint... options) {
        return GrammarConstraint.of("anyOf", List.of(), List.of(options), (rules, roots) -> new Choice(roots));
    }

    /**
     * Texts of a part, one after the other.
     *
     * @param most {@link Integer#MAX_VALUE} for any number
     */
    static Constraint repeat(Constraint part, int least, int most) {
        if (least < 0 || most < least || (least > Limits.REPETITIONS)) {
            throw new IllegalArgumentException(
                    "repeat: expected 0 <= least <= most, got %d and %d".formatted(least, most));
        }
        return GrammarConstraint.of(
                "repeat",
                List.of("" + least, "" + most),
                List.of(part),
                (rules, roots) -> new Repeat(roots.getFirst(), least, most));
    }

    /** A text, or the control token of this text if the vocabulary has one. */
    static Constraint mark(String text) {
        return GrammarConstraint.of(
                "mark",
                List.of(text),
                List.of(),
                (rules, roots) -> new FreeText(rules.terms, rules.vocabulary, text::equals).literal(text));
    }

    /** Any text; but after each complete mark, as {@link #mark} has it, a text of the constraint must follow. */
    static Constraint after(String mark, Constraint constraint) {
        return GrammarConstraint.of("after", List.of(mark), List.of(constraint), (rules, roots) -> {
            FreeText free = new FreeText(rules.terms, rules.vocabulary, mark::equals);
            Expression begin = free.upTo(mark, List.of(mark));
            Expression calls = new Repeat(new Sequence(begin, roots.getFirst()), 0, Terms.UNBOUNDED);
            return new Sequence(calls, free.without(List.of(mark)));
        });
    }

    /**
     * Answers of a model: perhaps a thought, which is free, then content and calls of tools. A call's own grammar holds from
     * its mark to its end, with arguments that obey the tool's schema. A schema that is sound but cannot be held is an error
     * if the tool is strict. Else what can be held of it holds, of arguments that stand one by one only their names and
     * whether they are texts, and the log names it.
     *
     * @param tools those offered; empty for none
     * @param inThought whether the prompt ends inside a thought
     * @param mayThink whether the answer may begin with one
     * @param content texts outside of thoughts and calls; empty for any
     */
    static Constraint answer(
            ToolFormat format,
            List<ToolDefinition> tools,
            ToolChoice choice,
            boolean inThought,
            boolean mayThink,
            Optional<Constraint> content) {
        String offered =
                new String(Json.write(tools.stream().map(ToolDefinition::fields).toList()), StandardCharsets.UTF_8);
        String flags = choice.parallel() + " " + inThought + " " + mayThink;
        List<String> values = List.of(format.label(), offered, choice.kind().name(), choice.name(), flags);
        List<Constraint> parts = content.stream().toList();
        return GrammarConstraint.of("answer", values, parts, (rules, roots) -> {
            FreeText free = new FreeText(rules.terms, rules.vocabulary, unused -> true);
            CallGrammar calls = new CallGrammar(free, format, rules);
            Expression texts = roots.isEmpty() ? null : roots.getFirst();
            return new AnswerGrammar(free, calls, format, tools, choice, texts).root(inThought, mayThink);
        });
    }
}
