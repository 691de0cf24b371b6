package dev.causal4j.constraint;

import dev.causal4j.chat.ToolChoice;
import dev.causal4j.chat.ToolChoice.Kind;
import dev.causal4j.chat.ToolDefinition;
import dev.causal4j.chat.ToolFormat;
import dev.causal4j.chat.ToolFormat.Form;
import dev.causal4j.constraint.Expression.Choice;
import dev.causal4j.constraint.Expression.Repeat;
import dev.causal4j.constraint.Expression.Sequence;
import dev.causal4j.constraint.Expression.Text;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * The texts of answers: thoughts, which are free, then content and calls. A call's own grammar holds from its mark to its
 * end. Not thread-safe.
 */
record AnswerGrammar(
        FreeText free,
        CallGrammar calls,
        ToolFormat format,
        List<ToolDefinition> tools,
        ToolChoice choice,
        @Nullable Expression content) {
    private static final int MOST_CALLS = 16;
    private static final int MOST_MESSAGES = 16;

    AnswerGrammar {
        tools = tools.stream()
                .filter(tool -> format.mayCall(choice)
                        && (choice.kind() != Kind.NAMED || tool.name().equals(choice.name())))
                .toList();
    }

    private boolean isForced() {
        return choice.kind() == Kind.REQUIRED || choice.kind() == Kind.NAMED;
    }

    /**
     * All answers.
     *
     * @param inThought whether they begin inside a thought
     * @param mayThink whether they may begin one
     */
    Expression root(boolean inThought, boolean mayThink) {
        if (format == ToolFormat.HARMONY) {
            return messages();
        }
        Expression answer = pastThought();
        List<String> end = List.of(format.thoughtEnd());
        Term lines = free.terms.repeat(free.terms.raw("\n"), 0, 2);
        Expression thought = new Sequence(free.upTo(end.getFirst(), end), new Text(lines), answer);
        Expression inside = isForced() || content != null ? thought : new Choice(thought, free.without(end));
        if (inThought) {
            return inside;
        }
        Expression begun = new Sequence(free.literal(format.thought()), inside);
        return mayThink ? new Choice(answer, begun) : answer;
    }

    private Expression pastThought() {
        List<Form> forms = tools.isEmpty() ? List.of() : format.forms();
        Stream<Expression> begun = forms.stream().map(form -> called(form, true));
        if (isForced() || content != null) {
            return any(Stream.concat(Stream.ofNullable(isForced() ? null : content), begun));
        }
        List<String> marks =
                forms.stream().map(Form::mark).filter(mark -> !mark.isEmpty()).toList();
        if (!forms.isEmpty() && forms.getFirst().mark().isEmpty()) {
            return any(Stream.concat(begun, Stream.of(free.notBeginning(openings(forms), marks))));
        }
        if (marks.isEmpty()) {
            return free.without(List.of());
        }
        Expression called =
                any(forms.stream().map(form -> new Sequence(free.upTo(form.mark(), marks), called(form, false))));
        return choice.parallel()
                ? new Sequence(new Repeat(called, 0, MOST_CALLS), free.without(marks))
                : any(Stream.of(called, free.without(marks)));
    }

    private static Expression any(Stream<Expression> options) {
        return new Choice(options.toList());
    }

    /** How calls without a mark begin, up to their arguments. */
    private List<String> openings(List<Form> forms) {
        return forms.stream()
                .filter(form -> form.mark().isEmpty())
                .flatMap(form -> tools.stream().map(tool -> form.begin() + CallGrammar.head(form, tool)))
                .toList();
    }

    /** Calls from their mark, or from the place after it, to their end. */
    private Expression called(Form form, boolean withMark) {
        Expression call = any(tools.stream().map(tool -> calls.call(form, tool)));
        boolean alone = !choice.parallel() || (form.between() + form.end()).isEmpty();
        Expression more = new Sequence(free.literal(form.between()), call);
        return new Sequence(
                free.literal((withMark ? form.mark() : "") + form.begin()),
                call,
                new Repeat(more, 0, alone ? 0 : MOST_CALLS - 1),
                free.literal(form.end()));
    }

    /** Answers in channels: messages before the last are thoughts or comments, the last is content or a call. */
    private Expression messages() {
        Expression body = new Text(free.terms.all);
        Expression before = new Sequence(
                free.literal("<|channel|>"),
                new Choice(free.literal("analysis"), free.literal("commentary")),
                free.literal("<|message|>"),
                body);
        Expression next = new Sequence(before, free.literal("<|end|><|start|>assistant"));
        Expression last = new Sequence(
                free.literal("<|channel|>final<|message|>"),
                Optional.ofNullable(content).orElse(body));
        List<Expression> options = new ArrayList<>();
        if (!tools.isEmpty()) {
            format.forms().forEach(form -> options.add(called(form, true)));
        }
        if (!isForced()) {
            options.addAll(content == null ? List.of(last, before) : List.of(last));
        }
        return new Sequence(new Repeat(next, 0, MOST_MESSAGES), new Choice(options));
    }
}
