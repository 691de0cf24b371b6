package dev.causal4j.chat;

import dev.causal4j.chat.AnswerParser.Malformed;
import dev.causal4j.chat.AnswerParser.State;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Reads calls whose arguments are {@link Literals}. Not thread-safe. */
final class LiteralCalls {
    private static final String IN_PYTHON =
            "\\s*(" + ToolDefinition.NAME + ")(?=\\(\\s*(?:" + ToolDefinition.NAME + "\\s*=|\\)))";
    private static final Pattern FIRST = Pattern.compile("\\s*\\[" + IN_PYTHON);
    private static final Pattern OTHER = Pattern.compile(IN_PYTHON);
    private static final Pattern NEXT = Pattern.compile("\\s*(?:(,)|]?)");
    private static final Pattern GEMMA = Pattern.compile("call:(" + ToolDefinition.NAME + ")(?=\\{)");

    private final AnswerParser answer;
    private final boolean python;
    private Literals arguments;

    LiteralCalls(AnswerParser answer) {
        this.answer = answer;
        python = answer.format == ToolFormat.PYTHONIC;
        arguments = new Literals(python);
    }

    @Nullable
    State first() throws Malformed {
        return head(python ? FIRST : GEMMA);
    }

    private @Nullable State other() throws Malformed {
        return head(OTHER);
    }

    private @Nullable State head(Pattern pattern) throws Malformed {
        Optional<Matcher> found = answer.match(pattern);
        if (found.isEmpty()) {
            return null;
        }
        String name = found.get().group(1);
        if (python && !answer.isTool(name)) {
            throw new Malformed(false);
        }
        answer.begin(name, null);
        arguments = new Literals(python);
        return this::arguments;
    }

    private @Nullable State arguments() {
        StringBuilder json = new StringBuilder();
        answer.at = arguments.read(answer.text, answer.at, answer.ended, json);
        answer.argument(json.toString());
        if (!arguments.isWhole()) {
            return null;
        }
        return python ? this::next : answer::closing;
    }

    private @Nullable State next() throws Malformed {
        int end = answer.at;
        Optional<Matcher> found = answer.match(NEXT);
        if (found.isEmpty()) {
            return null;
        }
        if (found.get().group(1) == null) {
            return answer::closing;
        }
        answer.another(end);
        return this::other;
    }
}
