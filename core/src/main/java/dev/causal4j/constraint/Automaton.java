package dev.causal4j.constraint;

import dev.causal4j.constraint.Configuration.Member;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * Follows texts through a grammar, byte by byte: terms by their derivatives, rules by a stack of what is left to do. A
 * part in the last place pushes nothing. Stacks and configurations are made once, and transitions when they are first
 * asked for. Not thread-safe.
 */
final class Automaton {
    private static final String SUBJECT = "constraint";
    private static final int CONFIGURATION_BYTES = 200;
    private static final int MEMBER_BYTES = 32;
    private static final int FRAME_BYTES = 120;

    // A bracket has at most a rule, a sequence, a repetition and a choice of its own.
    private static final int DEEPEST = 4 * Limits.OPEN;

    final Terms terms;
    private final Grammar grammar;
    private final Map<Frame, Frame> frames = new HashMap<>();
    private final Map<Configuration, Configuration> configurations = new HashMap<>();
    private final Configuration start;

    // of the call
    private final List<Member> members = new ArrayList<>();
    private final Deque<Frame> open = new ArrayDeque<>();
    private boolean accepts;
    private int visit;
    private int ids;

    /** @throws ConstraintException if no text belongs to the grammar */
    Automaton(Terms terms, Grammar grammar) {
        this.terms = terms;
        this.grammar = grammar;
        terms.budget().keep(grammar.bytes());
        begin();
        expand(grammar.rules().getFirst(), null);
        start = configuration();
        if (start.isDead()) {
            throw new ConstraintException(SUBJECT, "one that some text meets", "one that none can", "relax it");
        }
    }

    /** The configuration of an empty text. */
    Configuration start() {
        return start;
    }

    /** The configuration behind a byte, perhaps {@link Configuration#DEAD}. */
    Configuration next(Configuration from, int b) {
        Configuration known = from.next[from.classes.of(b)];
        return known == null ? compute(from, b) : known;
    }

    private Configuration compute(Configuration from, int b) {
        begin();
        terms.budget().spend(from.members.length);
        for (Member member : from.members) {
            add(terms.derivative(member.term(), b), member.then());
        }
        Configuration next = configuration();
        from.next[from.classes.of(b)] = next;
        return next;
    }

    /**
     * The configuration behind a token.
     *
     * @param text of the token; null if it can only be read as a token
     */
    Configuration next(Configuration from, int token, byte @Nullable [] text) {
        Configuration byText = text == null ? Configuration.DEAD : from;
        for (byte b : text == null ? new byte[0] : text) {
            byText = next(byText, b & 255);
        }
        if (!from.takes(token)) {
            return byText;
        }
        begin();
        for (Member member : from.members) {
            if (member.tokens() != null && member.tokens().ids().get(token)) {
                visit(member.then());
            }
        }
        members.addAll(List.of(byText.members));
        accepts |= byText.accepts;
        return configuration();
    }

    /** The same if it is known, else null. Thread-safe: what is published is not changed. */
    static @Nullable Configuration known(Configuration from, int token, byte @Nullable [] text) {
        @Nullable Configuration at = text == null || from.takes(token) ? null : from;
        for (int i = 0; at != null && i < text.length; i++) {
            at = at.next[at.classes.of(text[i] & 255)];
        }
        return at;
    }

    /** A configuration of other terms. */
    Configuration of(List<Member> others, boolean complete) {
        begin();
        members.addAll(others);
        accepts = complete;
        return configuration();
    }

    private void begin() {
        terms.budget().spend();
        visit++;
        members.clear();
        open.clear();
        accepts = false;
    }

    private Configuration configuration() {
        while (!open.isEmpty()) {
            proceed(open.pop());
        }
        if (members.isEmpty() && !accepts) {
            return Configuration.DEAD;
        }
        Limits.check(SUBJECT, members.size(), Limits.MEMBERS, "ways to read a text");
        terms.budget().spend(2L * members.size());
        ByteClasses classes = terms.empty.classes;
        for (Member member : members) {
            classes = terms.and(classes, member.term().classes);
        }
        Configuration made = new Configuration(members, accepts, classes);
        Configuration known = configurations.putIfAbsent(made, made);
        if (known == null) {
            terms.budget().keep(CONFIGURATION_BYTES + MEMBER_BYTES * made.members.length + 4L * made.next.length);
        }
        return known == null ? made : known;
    }

    private void visit(@Nullable Frame frame) {
        if (frame == null) {
            accepts = true;
        } else if (frame.visit != visit) {
            frame.visit = visit;
            open.push(frame);
        }
    }

    private @Nullable Frame frame(Expression expression, int position, @Nullable Frame parent) {
        Frame made = new Frame(expression, position, parent);
        Frame known = frames.get(made);
        if (known == null) {
            Limits.check(SUBJECT, made.depth, DEEPEST, "open parts inside each other");
            made.brackets = (parent == null ? 0 : parent.brackets) + (closes(expression, position) ? 1 : 0);
            Limits.check(SUBJECT, made.brackets, Limits.OPEN, "open brackets");
            made.id = ++ids;
            terms.budget().keep(FRAME_BYTES);
            frames.put(made, made);
            known = made;
        }
        return known;
    }

    /** Whether a bracket's end alone is left of a sequence. */
    private boolean closes(Expression expression, int position) {
        return expression instanceof Expression.Sequence(List<Expression> parts)
                && position > 0
                && position == parts.size() - 1
                && parts.getLast() instanceof Expression.Text(Term end)
                && (terms.derivative(end, ']') == terms.empty || terms.derivative(end, '}') == terms.empty);
    }

    private void proceed(Frame frame) {
        terms.budget().spend();
        Frame parent = frame.parent;
        int position = frame.position;
        switch (frame.expression) {
            case Expression.Sequence(List<Expression> parts)
            when position != Frame.WHOLE -> {
                boolean last = position + 1 == parts.size();
                expand(parts.get(position), last ? parent : frame(frame.expression, position + 1, parent));
            }
            case Expression.Repeat(Expression part, int least, int most)
            when position != Frame.WHOLE -> {
                if (position >= least) {
                    visit(parent);
                }
                if (position < most) {
                    int done = most == Terms.UNBOUNDED ? Math.min(position + 1, least) : position + 1;
                    Frame more = done == most ? parent : frame(frame.expression, done, parent);
                    if (more != null && position >= least) {
                        more.visit = visit; // what follows an empty turn follows already
                    }
                    expand(part, more);
                }
            }
            default -> expand(frame.expression, parent);
        }
    }

    private void expand(Expression expression, @Nullable Frame then) {
        switch (expression) {
            case Expression.Text(Term term) -> add(term, then);
            case Expression.Tokens tokens -> members.add(new Member(terms.never, tokens, then));
            case Expression.Call(int rule) -> visit(frame(grammar.rules().get(rule), Frame.WHOLE, then));
            case Expression.Sequence(List<Expression> parts) ->
                visit(parts.isEmpty() ? then : frame(expression, 0, then));
            case Expression.Choice(List<Expression> options) -> options.forEach(option -> expand(option, then));
            case Expression.Repeat _ -> visit(frame(expression, 0, then));
        }
    }

    /** The rule that a configuration is in, for errors; empty for none. */
    String place(Configuration configuration) {
        IdentityHashMap<Expression, String> places = new IdentityHashMap<>();
        for (int i = 0; i < grammar.rules().size(); i++) {
            name(grammar.rules().get(i), grammar.names().get(i), places);
        }
        for (Member member : configuration.members) {
            for (Frame frame = member.then(); frame != null; frame = frame.parent) {
                String place = places.getOrDefault(frame.expression, "");
                if (!place.isEmpty()) {
                    return place;
                }
            }
        }
        return grammar.names().getFirst();
    }

    private static void name(Expression part, String name, IdentityHashMap<Expression, String> places) {
        places.putIfAbsent(part, name);
        part.with(each -> {
            name(each, name, places);
            return each;
        });
    }

    private void add(Term term, @Nullable Frame then) {
        if (terms.live(term)) {
            if (term != terms.empty) {
                members.add(new Member(term, null, then));
            }
            if (term.nullable) {
                visit(then);
            }
        }
    }

    /** Forgets what was found out since the compilation. Configurations that are in use stay sound. */
    void forget() {
        configurations.keySet().forEach(each -> {
            Arrays.fill(each.next, null);
            each.allowed = null;
        });
        configurations.clear();
        frames.clear();
        terms.forget();
    }
}
