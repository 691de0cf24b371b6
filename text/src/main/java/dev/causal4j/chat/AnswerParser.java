package dev.causal4j.chat;

import dev.causal4j.FormatException;
import dev.causal4j.chat.ToolChoice.Kind;
import dev.causal4j.json.Json;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.Consumer;
import java.util.regex.MatchResult;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/**
 * Finds thoughts, content and calls in an answer while it is written. Any cutting of the answer into pieces gives the same
 * whole. Text is held back only while it may become a mark, or is white space before one. Text that begins like a call
 * and is not one is content, unless its name was already emitted. Not thread-safe.
 */
public final class AnswerParser {
    /** Reads on from a place in the answer. */
    @FunctionalInterface
    interface State {
        /** Returns where to continue. After a stop it is asked again, with more text. */
        State next() throws Stop;
    }

    /** Thrown where more text is needed. */
    static class Stop extends Exception {
        Stop() {
            super(null, null, false, false);
        }
    }

    /** Thrown for a text that began like a call and is not one, or is not whole at the end of the answer. */
    static final class Malformed extends Stop {
        final boolean cut;

        /** @param cut whether more text could have made it a call */
        Malformed(boolean cut) {
            this.cut = cut;
        }
    }

    /** A longer head of a call counts as content, so that no cutting decides how long a parser waits. */
    private static final int MOST_HELD = 4096;

    /** Characters that are read at once: each step searches and moves the text that is not parsed yet. */
    private static final int MOST_READ = 1024;

    private static final String LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

    final ToolFormat format;
    final List<ToolDefinition> tools;
    final boolean readsCalls;
    private final boolean forced; // its grammar has nothing but thoughts and calls
    private final List<String> marks; // of the beginnings of calls
    private final Pattern thought;
    private final Pattern closing;
    private final SplittableRandom ids;
    private final Answer.Listener listener;
    private final State calls;

    final StringBuilder text = new StringBuilder(); // not yet understood
    int at; // where to continue in it
    boolean ended;
    private boolean cut; // it did not end by itself, so that the beginning of a head at its end is no text
    private State state;
    private boolean untold; // there is a text that begins like a call, and no part of that call was emitted
    private int begin; // of that text

    private final StringBuilder gap = new StringBuilder(); // white space that may stand before a call, or end a thought
    private boolean trims; // white space that comes next
    private boolean thinking;
    private final StringBuilder content = new StringBuilder();
    private final StringBuilder reasoning = new StringBuilder();
    private final List<ToolCall> done = new ArrayList<>();
    private final StringBuilder arguments = new StringBuilder(); // of the call that is read
    boolean begun; // whether the call was emitted

    /**
     * A parser of one answer.
     *
     * @param tools those offered, by whose schemas texts become values; empty for unknown ones
     * @param choice for {@link Kind#NONE} calls are text
     * @param inThought whether the prompt ends inside a thought, as {@link ToolFormat#opensThought} says
     * @param seed of the ids of calls to which the model gives none
     */
    public AnswerParser(
            ToolFormat format,
            List<ToolDefinition> tools,
            ToolChoice choice,
            boolean inThought,
            long seed,
            Answer.Listener listener) {
        this.format = format;
        this.tools = List.copyOf(tools);
        this.listener = listener;
        ids = new SplittableRandom(seed);
        readsCalls = format.mayCall(choice);
        forced = readsCalls && choice.kind() != Kind.AUTO;
        marks = readsCalls ? format.marks() : List.of();
        thought = Pattern.compile("\\s*+" + Pattern.quote(format.thought()));
        closing = Pattern.compile("\\s*+(?:" + Pattern.quote(format.close) + ")?");
        calls = format.calls.apply(this);
        thinking = inThought;
        trims = inThought;
        state = format == ToolFormat.HARMONY ? calls : inThought ? this::thought : this::beginning;
    }

    /** A parser of an answer that is content alone, whatever it looks like. */
    public static AnswerParser ofContent(Answer.Listener listener) {
        AnswerParser parser = new AnswerParser(ToolFormat.NONE, List.of(), ToolChoice.NONE, false, 0, listener);
        parser.state = parser::content;
        return parser;
    }

    /** Adds a piece of the answer, of whole characters, and emits what is certain. */
    public void accept(String piece) {
        for (int from = 0, to; from < piece.length(); from = to) {
            to = Math.min(piece.length(), from + MOST_READ);
            to += to < piece.length() && Character.isHighSurrogate(piece.charAt(to - 1)) ? 1 : 0;
            text.append(piece, from, to);
            run();
        }
    }

    /**
     * Ends the answer, and emits the text that was held back.
     *
     * @param finishReason why it ended: {@code stop}, {@code length} or another, of which {@code stop} becomes {@code
     *     tool_calls} if there are calls, and {@code length} if the last of them was cut
     */
    public Answer end(String finishReason) {
        ended = true;
        cut = !finishReason.equals("stop");
        run();
        finish();
        boolean whole = done.isEmpty() || json(done.getLast().arguments()).orElse("") instanceof Map;
        String reason = cut || done.isEmpty() ? finishReason : whole ? "tool_calls" : "length";
        return new Answer(content.toString(), reasoning.toString(), done, reason);
    }

    /** Whether the answer so far ends inside a thought. */
    public boolean isThinking() {
        return thinking;
    }

    private void run() {
        boolean stopped = false;
        while (!stopped) {
            try {
                state = state.next();
            } catch (Malformed e) {
                at = untold ? begin : e.cut && cut ? text.length() : at;
                state = this::verbatim;
            } catch (Stop e) {
                stopped = true;
            }
        }
        int told = untold ? begin : at;
        text.delete(0, told); // once, since what is left is moved
        at -= told;
        begin = 0;
    }

    // Content and thoughts

    private State beginning() throws Stop {
        try {
            match(thought);
        } catch (Malformed unused) {
            return answer();
        }
        thinking = true;
        trims = true;
        return this::thought;
    }

    private State thought() throws Stop {
        String mark = until(List.of(format.thoughtEnd()), piece -> tell(piece, reasoning, listener::reasoning));
        at += mark.length();
        thinking = false;
        gap.setLength(0);
        trims = true;
        return answer();
    }

    /** Reads on after a thought. */
    private State answer() {
        return readsCalls && marks.isEmpty() ? region(0) : this::content;
    }

    /** Text up to a call or the end. */
    State content() throws Stop {
        String mark = before(marks, piece -> tell(ended && forced ? "" : piece, content, listener::content));
        if (!mark.isEmpty()) {
            return region(mark.endsWith("[") ? mark.length() - 1 : mark.length());
        }
        if (ended || marks.isEmpty()) {
            verbatim("");
        }
        throw new Stop();
    }

    /** Emits text that is no call after all, with its marks. */
    private State verbatim() throws Stop {
        untold = false;
        finish();
        String mark = until(format.close.isEmpty() ? List.of() : List.of(format.close), this::verbatim);
        verbatim(mark);
        at += mark.length();
        trims = !done.isEmpty();
        return this::content;
    }

    /** Emits content untrimmed; of a forced call that was cut nothing is content. */
    void verbatim(String piece) {
        String told = ended && forced ? "" : gap + piece;
        gap.setLength(0);
        emit(told, content, listener::content);
    }

    /** Emits a thought untrimmed. */
    void think(String piece) {
        thinking = true;
        emit(piece, reasoning, listener::reasoning);
    }

    /** Emits text without the white space at its ends. */
    private void tell(String piece, StringBuilder all, Consumer<String> to) {
        String rest = trims ? piece.stripLeading() : piece;
        String body = rest.stripTrailing();
        trims &= rest.isEmpty();
        if (!body.isEmpty()) {
            String told = gap + body;
            gap.setLength(0);
            emit(told, all, to);
        }
        gap.append(rest, body.length(), rest.length());
    }

    private static void emit(String piece, StringBuilder all, Consumer<String> to) {
        all.append(piece);
        if (!piece.isEmpty()) {
            to.accept(piece);
        }
    }

    // Text ahead

    /**
     * Emits the text before the first of some marks; without a mark all text that cannot become one.
     *
     * @return the mark, which comes next; empty if there is none yet
     */
    String before(List<String> some, Consumer<String> to) {
        int end = text.length() - (ended ? 0 : partial(some));
        String found = "";
        for (String mark : some) {
            int index = text.indexOf(mark, at);
            if (index >= 0 && index < end) {
                end = index;
                found = mark;
            }
        }
        String given = text.substring(at, end);
        at = end;
        to.accept(given);
        return found;
    }

    /** Does what {@link #before} does, and stops unless a mark comes next. */
    String until(List<String> some, Consumer<String> to) throws Stop {
        String mark = before(some, to);
        if (mark.isEmpty()) {
            throw new Stop();
        }
        return mark;
    }

    /** How many characters at the end of the text may become one of some marks. */
    private int partial(List<String> some) {
        int longest = 0;
        for (String mark : some) {
            int length = Math.min(mark.length() - 1, text.length() - at);
            while (length > longest && !mark.startsWith(text.substring(text.length() - length))) {
                length--;
            }
            longest = Math.max(longest, length);
        }
        return longest;
    }

    /**
     * Steps over what a pattern finds in the next {@value #MOST_HELD} characters, whatever follows them. Stops if more text
     * can change it.
     */
    @SuppressWarnings("JdkObsolete") // hitEnd is for texts that are not whole yet, as here
    MatchResult match(Pattern pattern) throws Stop {
        int end = Math.min(text.length(), at + MOST_HELD);
        Matcher matcher = pattern.matcher(text).region(at, end);
        boolean found = matcher.lookingAt();
        boolean waits = matcher.hitEnd() && end - at < MOST_HELD;
        if (waits && !ended) {
            throw new Stop();
        }
        if (!found) {
            throw new Malformed(waits);
        }
        at = matcher.end();
        return matcher;
    }

    /** The value that a text is in JSON; empty if it is not JSON. */
    static Optional<Object> json(String text) {
        try {
            return Optional.ofNullable(Json.value("call", text.getBytes(StandardCharsets.UTF_8)));
        } catch (FormatException unused) {
            return Optional.empty();
        }
    }

    // Calls

    /** Whether a tool has this name, as far as is known. */
    boolean isTool(@Nullable String name) {
        return tools.isEmpty() || tools.stream().anyMatch(tool -> tool.name().equals(name));
    }

    /** Begins a text that may be a call, after a mark. */
    private State region(int mark) {
        begin = at;
        at += mark;
        untold = true;
        return calls;
    }

    /** Emits a call, and the arguments that were read. */
    void begin(String name, @Nullable String id) {
        StringBuilder own = new StringBuilder(format.writesIds() ? "" : "call_");
        ids.ints(format.writesIds() ? 9 : 24, 0, LETTERS.length())
                .forEach(letter -> own.append(LETTERS.charAt(letter)));
        gap.setLength(0);
        untold = false;
        begun = true;
        ToolCall call = new ToolCall(id == null ? own.toString() : id, name, "");
        done.add(call);
        listener.call(done.size() - 1, call.id(), name);
        if (!arguments.isEmpty()) {
            listener.arguments(done.size() - 1, arguments.toString());
        }
    }

    /** Adds to the arguments of the call, which is emitted now or later. */
    void argument(String piece) {
        arguments.append(piece);
        if (begun && !piece.isEmpty()) {
            listener.arguments(done.size() - 1, piece);
        }
    }

    /** Ends the call that is read; without one forgets what was read. */
    private void finish() {
        if (begun) {
            ToolCall call = done.removeLast();
            done.add(new ToolCall(call.id(), call.name(), arguments.toString()));
        }
        begun = false;
        arguments.setLength(0);
    }

    /** Ends a message in an answer of several messages. */
    void endMessage() {
        finish();
        thinking = false;
    }

    /** Whether a mark stands at a place of the text, or may be there when more comes. */
    boolean mayBeNext(String mark, int place) {
        int length = Math.min(mark.length(), text.length() - place);
        return length > 0
                && mark.charAt(0) == text.charAt(place)
                && (length == mark.length() || !ended)
                && mark.startsWith(text.substring(place, place + length));
    }

    /**
     * Continues after a call of a region.
     *
     * @param between what comes next; it has a first group if another call follows
     */
    State next(Pattern between, State other) throws Stop {
        int end = at;
        if (match(between).group(1) == null) {
            return this::closing;
        }
        finish();
        begin = end;
        untold = true;
        return other;
    }

    /** Skips what follows the last call of a region: white space, and the mark that ends it. */
    State closing() throws Stop {
        finish();
        untold = false;
        trims = true;
        match(closing);
        at = ended && format.close.startsWith(text.substring(at)) ? text.length() : at; // a part of the mark
        return this::content;
    }
}
