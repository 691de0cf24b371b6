package dev.causal4j.chat;

import dev.causal4j.chat.AnswerParser.Malformed;
import dev.causal4j.chat.AnswerParser.State;
import dev.causal4j.chat.AnswerParser.Stop;
import java.util.List;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** Reads calls that are objects: {@code {"name": …, "arguments": …}}, with members in any order. Not thread-safe. */
final class ObjectCalls {
    private static final Pattern LIST = Pattern.compile("\\s*+\\[\\s*+(?=[^]])");
    static final Pattern NEXT_OF_LIST = Pattern.compile("\\s*+(?:(,)|]?)");
    private static final Pattern ALONE = Pattern.compile("\\s*+(?:<\\|python_tag\\|>)?\\s*+(?=\\{)");
    private static final Pattern NEXT_ALONE = Pattern.compile("\\s*+;?\\s*+(?=(\\{)?)");
    private static final Pattern OPEN = Pattern.compile("\\s*+\\{");
    // Arguments that are null are as those that are not there.
    private static final Pattern MEMBER =
            Pattern.compile("(?:\\s*+,?\\s*+\"(?:arguments|parameters)\"\\s*+:\\s*+null(?=[\\s,}]))?+"
                    + "\\s*+(?:}|,?\\s*+\"(name|arguments|parameters|id|type)\"\\s*+:\\s*+(?=\\S))");

    private final AnswerParser answer;
    private final boolean list;
    private final boolean alone;
    private final StringBuilder read = new StringBuilder(); // of a value that is needed whole
    private String space = ""; // trailing white space, held back
    private @Nullable String name;
    private @Nullable String id;
    private boolean hasArguments;

    /** @param list whether they are in a list */
    ObjectCalls(AnswerParser answer, boolean list) {
        this.answer = answer;
        this.list = list;
        alone = answer.format.marks().isEmpty();
    }

    State first() throws Stop {
        if (list || alone) {
            answer.match(list ? LIST : ALONE);
        }
        return this::open;
    }

    private State open() throws Stop {
        answer.match(OPEN);
        name = null;
        id = null;
        hasArguments = false;
        return this::member;
    }

    private State member() throws Stop {
        String key = answer.match(MEMBER).group(1);
        if (key == null) {
            answer.argument(hasArguments ? "" : "{}");
            begin(true);
            return this::next;
        }
        JsonScan value = new JsonScan(answer, answer.format.close);
        read.setLength(0);
        space = "";
        boolean inParts = answer.text.charAt(answer.at) == '{'
                && List.of("arguments", "parameters").contains(key);
        return inParts ? () -> arguments(value) : () -> value(key, value);
    }

    private State arguments(JsonScan value) throws Stop {
        hasArguments = true;
        begin(false);
        String piece = space + value.read();
        String body = piece.stripTrailing();
        space = piece.substring(body.length());
        answer.argument(body);
        if (value.awaitEnd()) {
            return this::member;
        }
        begin(true);
        return answer::closing;
    }

    private State value(String key, JsonScan value) throws Stop {
        read.append(value.read());
        if (!value.awaitEnd()) {
            throw new Malformed(answer.ended);
        }
        if (!(AnswerParser.json(read.toString()).orElse(null) instanceof String given)) {
            throw new Malformed(false);
        }
        switch (key) {
            case "name" -> name = given;
            case "arguments", "parameters" -> {
                hasArguments = true;
                answer.argument(given);
            }
            case "id" -> id = given;
            default -> {}
        }
        if (alone && name != null && !answer.isTool(name)) {
            throw new Malformed(false);
        }
        begin(false);
        return this::member;
    }

    /** Begins the call as soon as enough of it is known; an id may follow the arguments. */
    private void begin(boolean now) throws Malformed {
        if (now && name == null) {
            throw new Malformed(answer.ended);
        }
        boolean waits = answer.format.writesIds() && id == null;
        if (!answer.begun && name != null && (now || (hasArguments && !waits))) {
            answer.begin(name, id);
        }
    }

    private State next() throws Stop {
        return list || alone ? answer.next(list ? NEXT_OF_LIST : NEXT_ALONE, this::open) : answer::closing;
    }
}
