package dev.causal4j.constraint;

import dev.causal4j.constraint.Configuration.Member;
import dev.causal4j.constraint.Stacks.Frame;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Follows texts through a grammar, byte by byte: terms by their derivatives, rules by stacks of frames. Equal
 * remainders after different readings of a text are merged wherever they meet, so that ambiguity costs no more than its
 * stacks (Tomita 1985). A part in the last place pushes nothing. Stacks and configurations are made once, and transitions
 * when they are first asked for. No rule may begin with itself. Not thread-safe.
 */
final class Automaton {
    private static final String SUBJECT = "constraint";
    private static final int CONFIGURATION_BYTES = 200;
    private static final int MEMBER_BYTES = 32;
    private static final int STACKS_BYTES = 100;
    private static final int FRAME_BYTES = 32;
    private static final int UNION_BYTES = 80;
    private static final int PLACE_BYTES = 90;

    // A bracket has at most a rule, a sequence, a repetition and a choice of its own.
    private static final int DEEPEST = 4 * Limits.OPEN;

    private record Both(Stacks a, Stacks b) {}

    /**
     * The result of {@link #kept}.
     *
     * @param made the frames that the automaton had made
     */
    record Kept(long made, int frames) {
        static final Kept NOTHING = new Kept(0, 0);

        long bytes() {
            return (long) (STACKS_BYTES + FRAME_BYTES) * frames;
        }
    }

    final Terms terms;
    private final Grammar grammar;
    private final Map<Place, Place> places = new HashMap<>();
    private final Map<List<Frame>, Stacks> stacks = new HashMap<>();
    private final Map<Both, Stacks> unions = new HashMap<>();
    private final Map<Configuration, Configuration> configurations = new HashMap<>();
    private final Stacks end; // nothing is left
    private final Configuration start;

    // scratch of one step
    private final List<Member> members = new ArrayList<>();
    private final Deque<Place> open = new ArrayDeque<>();
    private final List<Place> reached = new ArrayList<>();
    private boolean accepts;
    private int ids;

    private long made; // frames since the beginning
    private long forgot; // frames that were made before the last forget()

    /** @throws ConstraintException if no text belongs to the grammar */
    Automaton(Terms terms, Grammar grammar) {
        this.terms = terms;
        this.grammar = grammar;
        end = stacks(List.of(new Frame(place(Grammar.EMPTY, Place.WHOLE), null)));
        begin();
        expand(grammar.rules().getFirst(), end);
        start = configuration();
        if (start.isDead()) {
            throw new ConstraintException(SUBJECT, "one that some text meets", "one that none can", "relax it");
        }
    }

    /** The configuration of an empty text. */
    Configuration start() {
        return start;
    }

    /** The configuration after a byte, perhaps {@link Configuration#DEAD}. */
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
     * The configuration after a token.
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
                pop(member.then());
            }
        }
        members.addAll(List.of(byText.members));
        accepts |= byText.accepts;
        return configuration();
    }

    /** The same if it is known, else null. Thread-safe: what is published is not changed. */
    static @Nullable Configuration known(Configuration from, int token, byte @Nullable [] text) {
        if (text == null || from.takes(token)) {
            return null;
        }
        @Nullable Configuration at = from;
        for (int i = 0; i < text.length && at != null; i++) {
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
        terms.budget().spend(1);
        members.clear();
        open.clear();
        leave();
        accepts = false;
    }

    private void leave() {
        for (Place place : reached) {
            place.waits = false;
            place.then = null;
        }
        reached.clear();
    }

    private Configuration configuration() {
        while (!open.isEmpty()) {
            Place place = open.remove();
            place.waits = false;
            proceed(place.expression, place.position, Objects.requireNonNull(place.then));
        }
        leave();
        if (members.isEmpty() && !accepts) {
            return Configuration.DEAD;
        }
        merge();
        Limits.check(SUBJECT, members.size(), Limits.MEMBERS, "ways to read a text");
        terms.budget().spend(members.size());
        ByteClasses classes = terms.empty.classes;
        int depth = accepts ? 0 : Integer.MAX_VALUE; // of the lowest stack
        for (Member member : members) {
            classes = terms.and(classes, member.term().classes);
            depth = Math.min(depth, member.then().depth);
            Limits.check(SUBJECT, member.then().brackets, Limits.OPEN, "open brackets");
        }
        Limits.check(SUBJECT, depth, DEEPEST, "open parts inside each other");
        return configurations.computeIfAbsent(new Configuration(members, accepts, classes), each -> {
            terms.budget().keep(CONFIGURATION_BYTES + MEMBER_BYTES * each.members.length + 4L * each.next.length);
            return each;
        });
    }

    /** Makes one of the members with one term. */
    private void merge() {
        members.sort(Configuration.ORDER);
        int last = 0;
        for (int i = 1; i < members.size(); i++) {
            Member kept = members.get(last);
            Member next = members.get(i);
            if (kept.term() == next.term() && Objects.equals(kept.tokens(), next.tokens())) {
                members.set(last, new Member(kept.term(), kept.tokens(), union(kept.then(), next.then())));
            } else {
                members.set(++last, next);
            }
        }
        members.subList(Math.min(last + 1, members.size()), members.size()).clear();
    }

    /** Continues with the frames on top of the stacks. */
    private void pop(Stacks left) {
        for (Frame frame : left.frames) {
            if (frame.below() == null) {
                accepts = true;
            } else {
                reach(frame.place(), frame.below());
            }
        }
    }

    /** Follows a place, once more if it is reached with other stacks: what remains of it is the same. */
    private void reach(Place place, Stacks then) {
        if (come(place, then) && !place.waits) {
            place.waits = true;
            open.add(place);
        }
        if (place.expression instanceof Expression.Repeat(Expression unused, int least, int most)
                && place.position >= least
                && place.position < most - 1
                && most != Terms.UNBOUNDED) {
            come(place(place.expression, place.position + 1), then); // nothing more follows fewer turns
        }
    }

    /** Whether a place is new, or new with these stacks. */
    private boolean come(Place place, Stacks then) {
        terms.budget().spend(1);
        Stacks before = place.then;
        if (before == null) {
            reached.add(place);
        }
        place.then = before == null ? then : union(before, then);
        return place.then != before;
    }

    private Place place(Expression expression, int position) {
        return places.computeIfAbsent(new Place(expression, position), each -> {
            each.id = ++ids;
            each.closes = closes(expression, position);
            terms.budget().keep(PLACE_BYTES);
            return each;
        });
    }

    private Stacks push(Expression expression, int position, Stacks on) {
        return stacks(List.of(new Frame(place(expression, position), on)));
    }

    private Stacks stacks(List<Frame> frames) {
        return stacks.computeIfAbsent(frames, unused -> {
            made += frames.size();
            terms.budget().keep(STACKS_BYTES + FRAME_BYTES * frames.size());
            return new Stacks(frames, ++ids);
        });
    }

    /** All stacks of both. Sets may be deep, so those below wait in a list. */
    private Stacks union(Stacks a, Stacks b) {
        Deque<Both> asked = new ArrayDeque<>();
        Stacks all = known(a, b, asked);
        while (!asked.isEmpty()) {
            Both both = asked.element();
            List<Frame> frames = frames(both, asked);
            if (asked.element().equals(both)) {
                asked.remove();
                unions.put(both, stacks(frames));
                terms.budget().keep(UNION_BYTES);
            }
        }
        return all != null ? all : Objects.requireNonNull(known(a, b, asked));
    }

    private @Nullable Stacks known(Stacks a, Stacks b, Deque<Both> asked) {
        Both both = a.id < b.id ? new Both(a, b) : new Both(b, a);
        Stacks known = a == b ? a : unions.get(both);
        if (known == null) {
            asked.push(both);
        }
        return known;
    }

    /** The frames of both; unions below that are not known are asked for. */
    private List<Frame> frames(Both both, Deque<Both> asked) {
        List<Frame> all = new ArrayList<>();
        List<Frame> left = both.a.frames;
        List<Frame> right = both.b.frames;
        for (int i = 0, j = 0; i < left.size() || j < right.size(); ) {
            terms.budget().spend(1);
            int order = i == left.size()
                    ? 1
                    : j == right.size()
                            ? -1
                            : left.get(i).place().id - right.get(j).place().id;
            Frame frame = order <= 0 ? left.get(i++) : right.get(j++);
            Stacks below = frame.below();
            if (order == 0) {
                Stacks other = right.get(j++).below();
                below = below == null || other == null ? null : known(below, other, asked);
            }
            all.add(order == 0 ? new Frame(frame.place(), below) : frame);
        }
        return all;
    }

    /** Whether a bracket's end alone is left of a sequence. */
    private boolean closes(Expression expression, int position) {
        return expression instanceof Expression.Sequence(List<Expression> parts)
                && position > 0
                && position == parts.size() - 1
                && parts.getLast() instanceof Expression.Text(Term end)
                && (terms.derivative(end, ']') == terms.empty || terms.derivative(end, '}') == terms.empty);
    }

    private void proceed(Expression expression, int position, Stacks then) {
        terms.budget().spend(1);
        switch (expression) {
            case Expression.Sequence(List<Expression> parts)
            when position != Place.WHOLE -> {
                boolean last = position + 1 == parts.size();
                expand(parts.get(position), last ? then : push(expression, position + 1, then));
            }
            case Expression.Repeat(Expression part, int least, int most)
            when position != Place.WHOLE -> {
                if (position >= least) {
                    pop(then);
                }
                if (position < most) {
                    int done = most == Terms.UNBOUNDED ? Math.min(position + 1, least) : position + 1;
                    expand(part, done == most ? then : push(expression, done, then));
                }
            }
            default -> expand(expression, then);
        }
    }

    private void expand(Expression expression, Stacks then) {
        switch (expression) {
            case Expression.Text(Term term) -> add(term, then);
            case Expression.Tokens tokens -> members.add(new Member(terms.never, tokens, then));
            case Expression.Call(int rule) -> reach(place(grammar.rules().get(rule), Place.WHOLE), then);
            case Expression.Sequence(List<Expression> parts) when parts.isEmpty() -> pop(then);
            case Expression.Choice(List<Expression> options) -> {
                terms.budget().spend(options.size());
                options.forEach(option -> expand(option, then));
            }
            case Expression.Sequence unused -> proceed(expression, 0, then);
            case Expression.Repeat unused -> reach(place(expression, 0), then);
        }
    }

    /** The rule that a configuration is in, for errors; empty for none. */
    String place(Configuration configuration) {
        IdentityHashMap<Expression, String> names = new IdentityHashMap<>();
        for (int i = 0; i < grammar.rules().size(); i++) {
            name(grammar.rules().get(i), grammar.names().get(i), names);
        }
        for (Member member : configuration.members) {
            for (Stacks on = member.then();
                    on != null;
                    on = on.frames.getFirst().below()) {
                String place = names.getOrDefault(on.frames.getFirst().place().expression, "");
                if (!place.isEmpty()) {
                    return place;
                }
            }
        }
        return grammar.names().getFirst();
    }

    private static void name(Expression part, String name, IdentityHashMap<Expression, String> names) {
        names.putIfAbsent(part, name);
        part.parts().forEach(each -> name(each, name, names));
    }

    private void add(Term term, Stacks then) {
        if (terms.live(term)) {
            if (term != terms.empty) {
                members.add(new Member(term, null, then));
            }
            if (term.nullable) {
                pop(then);
            }
        }
    }

    /**
     * Bounds and counts what a text keeps whatever the tables forget: its frames. They are counted only after as many were
     * made that they may have grown by a quarter.
     *
     * @param last the last count of the same text
     */
    Kept kept(Configuration at, Kept last) {
        if (last.made >= forgot && made - last.made < Math.max(Limits.FRAMES / 64, last.frames / 4)) {
            return last;
        }
        Set<Stacks> found = Collections.newSetFromMap(new IdentityHashMap<>());
        Deque<Stacks> left = new ArrayDeque<>();
        Arrays.stream(at.members).map(Member::then).filter(found::add).forEach(left::add);
        int frames = 0;
        while (!left.isEmpty()) {
            for (Frame frame : left.remove().frames) {
                terms.budget().spend(1);
                Limits.check(SUBJECT, ++frames, Limits.FRAMES, "frames of the ways to read a text");
                if (frame.below() != null && found.add(frame.below())) {
                    left.add(frame.below());
                }
            }
        }
        Kept kept = new Kept(made, frames);
        if (last.made < forgot) { // the tables keep them too from here on
            terms.budget().keep(kept.bytes());
        }
        return kept;
    }

    /** Drops the configurations made since the compilation. Configurations in use stay valid. */
    void forget() {
        configurations.keySet().forEach(each -> {
            Arrays.fill(each.next, null);
            each.allowed = null;
        });
        configurations.clear();
        configurations.put(start, start); // always in use, so that the next call finds what it leads to
        stacks.clear();
        unions.clear();
        places.clear();
        forgot = ++made;
        terms.forget();
    }
}
