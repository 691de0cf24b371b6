package dev.causal4j.constraint;

import static dev.causal4j.FormatException.quote;

import dev.causal4j.constraint.Term.Node;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.function.IntUnaryOperator;
import org.jspecify.annotations.Nullable;

/**
 * Makes the terms of one constraint, equal ones once, in simplified form: this keeps the number of derivatives of a
 * term small (Owens, Reppy and Turon 2009). Not thread-safe.
 */
final class Terms {
    static final int UNBOUNDED = Integer.MAX_VALUE;

    private static final String SUBJECT = "constraint";
    static final int TERM_STEPS = 10;
    private static final int MACHINE_STEPS = 40; // more, for its bytes
    private static final int DEEPEST = 400; // parts inside each other, which recursion follows
    private static final int TERM_BYTES = 250; // with what is remembered of it
    private static final int CLASSES_BYTES = 450;
    private static final int PRODUCT_BYTES = 100;
    private static final Comparator<Term> BY_ID = Comparator.comparingInt(term -> term.id);

    private final Map<Node, Term> terms = new HashMap<>();
    private final Map<ByteClasses, ByteClasses> classes = new HashMap<>();
    private final Map<Long, ByteClasses> products = new HashMap<>();
    /** Characters of properties of Unicode that patterns name. */
    final Memo<String, CodePoints> properties;

    private final ByteClasses one; // all bytes are one class
    private final CodePoints spellable;
    private Union union = new Union(this);
    private Derivatives derivatives = new Derivatives(this);
    private final Liveness liveness = new Liveness(this);
    private final Budget budget;
    private List<Term> base = List.of();
    private int ids;

    final Term never;
    final Term empty;
    /** Every text, also what is no UTF-8. */
    final Term all;

    /** @param spellable the characters that the tokenizer can write */
    Terms(CodePoints spellable, Budget budget) {
        this.spellable = spellable;
        this.budget = budget;
        properties = new Memo<>(name -> Regex.property(name, budget));
        one = classes(1, unused -> 0);
        empty = of(new Node.Empty());
        never = of(new Node.Or(List.of()));
        all = of(new Node.Not(never));
    }

    Budget budget() {
        return budget;
    }

    Term set(Bytes bytes) {
        return bytes.isEmpty() ? never : of(new Node.Set(bytes));
    }

    /** Any of the texts. */
    Term literals(Collection<byte[]> texts) {
        byte[][] sorted = texts.toArray(byte[][]::new);
        long bytes = texts.stream().mapToLong(text -> 24 + text.length).sum();
        budget.spend(10L * sorted.length + bytes / 64);
        budget.keep(bytes + 4L * sorted.length);
        Arrays.sort(sorted, Arrays::compareUnsigned);
        return literals(sorted, 0, sorted.length, 0);
    }

    /** Sorted texts from one index to another, without their first bytes. */
    Term literals(byte[][] texts, int from, int to, int depth) {
        if (from == to) {
            return never;
        }
        boolean ends = texts[to - 1].length == depth; // all are equal
        return ends ? empty : of(new Node.Literals(texts, from, to, depth));
    }

    Term concat(Term... terms) {
        Term all = empty;
        for (int i = terms.length - 1; i >= 0; i--) {
            all = concat(terms[i], all);
        }
        return all;
    }

    Term concat(Term head, Term tail) {
        if (head == never || tail == empty) {
            return head;
        }
        if (tail == never || head == empty) {
            return tail;
        }
        if (head.node instanceof Node.Concat) {
            List<Term> all = parts(head);
            all.add(tail);
            return concat(all.toArray(Term[]::new));
        }
        Term next = tail.node instanceof Node.Concat(Term first, Term unused) ? first : tail;
        if (isStar(next) && absorbs(next, head)) {
            return tail;
        }
        if (isStar(head) && absorbs(head, next)) {
            return tail.node instanceof Node.Concat(Term unused, Term rest) ? concat(head, rest) : head;
        }
        return of(new Node.Concat(head, tail));
    }

    /** The parts of a sequence; another term alone. */
    List<Term> parts(Term sequence) {
        List<Term> parts = new ArrayList<>();
        Term rest = sequence;
        for (; rest.node instanceof Node.Concat(Term head, Term tail); rest = tail) {
            parts.add(head);
        }
        parts.add(rest);
        budget.spend(parts.size());
        return parts;
    }

    /** Whether any number of something, and a term beside it, are the same without the term. */
    private boolean absorbs(Term star, Term term) {
        return term.nullable && within(term, ((Node.Repeat) star.node).term());
    }

    /** Whether all texts of a term are plainly texts of a unit, one after the other. */
    boolean within(Term term, Term unit) {
        return union.within(term, unit);
    }

    /** Whether a term is any number of something. */
    static boolean isStar(Term term) {
        return term.node instanceof Node.Repeat(Term unused, int least, int most) && least == 0 && most == UNBOUNDED;
    }

    Term or(Term... options) {
        return or(Arrays.asList(options));
    }

    /** Any of the options. */
    Term or(Collection<Term> options) {
        return union.of(options);
    }

    /** A union that cannot be made simpler. */
    Term unite(List<Term> options) {
        budget.spend(options.size());
        List<Term> sorted = sorted(options);
        return sorted.size() == 1 ? sorted.getFirst() : of(new Node.Or(sorted));
    }

    Term and(Term... parts) {
        return and(Arrays.asList(parts));
    }

    Term and(Collection<Term> parts) {
        List<Term> flat = new ArrayList<>();
        for (Term part : parts) {
            flat.addAll(part.node instanceof Node.And(List<Term> inner) ? inner : List.of(part));
        }
        budget.spend(flat.size());
        if (flat.contains(never)) {
            return never;
        }
        flat.removeIf(part -> part == all);
        for (Term part : List.copyOf(flat)) {
            if (isStar(part)) {
                budget.spend(flat.size());
                Term unit = ((Node.Repeat) part.node).term();
                if (flat.stream().anyMatch(other -> other != part && within(other, unit))) {
                    flat.removeIf(other -> other == part);
                }
            }
        }
        List<Term> kept = sorted(flat);
        if (kept.contains(empty)) {
            return kept.stream().allMatch(part -> part.nullable) ? empty : never;
        }
        return kept.isEmpty() ? all : kept.size() == 1 ? kept.getFirst() : of(new Node.And(kept));
    }

    /** The texts that a machine accepts from a state on. */
    Term machine(StateMachine state) {
        return of(new Node.Machine(state));
    }

    /** The texts that contain none of a term. */
    Term without(Term part) {
        return not(concat(all, part, all));
    }

    /** The texts that do not belong to a term, also those that are no UTF-8. */
    Term not(Term term) {
        return term.node instanceof Node.Not(Term inner) ? inner : of(new Node.Not(term));
    }

    private static List<Term> sorted(List<Term> terms) {
        return terms.stream().sorted(BY_ID).distinct().toList();
    }

    /** @param most {@link #UNBOUNDED} for no limit */
    Term repeat(Term term, int least, int most) {
        if (least > most) {
            return never;
        }
        if (most == 0 || term == empty || (term == never && least == 0)) {
            return empty;
        }
        if (term == never || (least == 1 && most == 1)) {
            return term;
        }
        int min = term.nullable ? 0 : least;
        if (min == 0 && term.node instanceof Node.Or(List<Term> options) && options.contains(empty)) {
            return repeat(or(options.stream().filter(each -> each != empty).toList()), 0, most);
        }
        if (term.node instanceof Node.Repeat(Term unit, int from, int to)) {
            boolean star = to == UNBOUNDED && (min > 0 || from <= 1);
            if (star || from == 0) { // the counts have no gaps
                return repeat(unit, product(from, min), star ? UNBOUNDED : product(to, most));
            }
        }
        return min == 0 && most == 1 ? or(term, empty) : of(new Node.Repeat(term, min, most));
    }

    private static int product(int a, int b) {
        return a == UNBOUNDED || b == UNBOUNDED ? UNBOUNDED : (int) Math.min((long) a * b, UNBOUNDED - 1);
    }

    /** One character of a set; those that the tokenizer cannot write are left out. */
    Term characters(CodePoints set, Spelling spelling) {
        budget.spend(set.bounds().length + spellable.bounds().length);
        CodePoints known = set.and(spellable);
        List<Term> options = new ArrayList<>();
        if (spelling == Spelling.PLAIN) {
            CodePoints.ESCAPED.and(known).forEach(c -> options.add(escape(c)));
            known = known.and(CodePoints.ESCAPED.not());
        }
        for (int[] sequence : known.utf8()) {
            Term term = empty;
            for (int at = sequence.length - 2; at >= 0; at -= 2) {
                term = concat(set(Bytes.range(sequence[at], sequence[at + 1])), term);
            }
            options.add(term);
        }
        return or(options);
    }

    private Term escape(int c) {
        int at = "\"\\\b\f\n\r\t".indexOf(c);
        if (at >= 0) {
            return raw("\\" + "\"\\bfnrt".charAt(at));
        }
        String hex = "\\u%04x".formatted(c);
        return raw(List.of(hex, hex.substring(0, 5) + hex.substring(5).toUpperCase(Locale.ROOT)));
    }

    /** A text, whatever the tokenizer can write. */
    Term raw(String text) {
        return raw(List.of(text));
    }

    /** Any of the texts, whatever the tokenizer can write. */
    Term raw(Collection<String> texts) {
        return literals(texts.stream()
                .map(text -> text.getBytes(StandardCharsets.UTF_8))
                .toList());
    }

    /**
     * Any of the texts.
     *
     * @param subject the constraint in errors
     * @throws ConstraintException if the tokenizer cannot write one
     */
    Term texts(Collection<String> texts, Spelling spelling, String subject) {
        List<String> plain = new ArrayList<>();
        List<Term> escaped = new ArrayList<>();
        for (String text : texts) {
            budget.spend(1 + text.length() / 64);
            text.codePoints().filter(c -> !spellable.has(c)).findFirst().ifPresent(c -> {
                String expected = "characters that the tokenizer can write";
                String got = "U+%04X".formatted(c);
                throw new ConstraintException(subject + " " + quote(text), expected, got, "leave it out");
            });
            if (spelling == Spelling.RAW || text.codePoints().noneMatch(CodePoints.ESCAPED::has)) {
                plain.add(text);
            } else {
                escaped.add(concat(text.codePoints()
                        .mapToObj(c -> CodePoints.ESCAPED.has(c) ? escape(c) : raw(Character.toString(c)))
                        .toArray(Term[]::new)));
            }
        }
        escaped.add(raw(plain));
        return or(escaped);
    }

    /** The term of a node in simple form. */
    Term of(Node node) {
        return terms.computeIfAbsent(node, unused -> {
            int size = switch (node) {
                case Node.Or(List<Term> options) -> options.size();
                case Node.And(List<Term> parts) -> parts.size();
                case Node.Machine machine -> MACHINE_STEPS;
                default -> 0;
            };
            budget.spend(TERM_STEPS + size);
            Term made = make(node);
            Limits.check(SUBJECT, made.repetitions, Limits.REPETITIONS, "repetitions");
            Limits.check(SUBJECT, made.depth, DEEPEST, "parts inside each other");
            budget.keep(TERM_BYTES + 8L * size);
            return made;
        });
    }

    private Term make(Node node) {
        return switch (node) {
            case Node.Empty unused -> term(node, true, List.of(), one);
            case Node.Set(Bytes bytes) -> term(node, false, List.of(), classes(2, b -> bytes.has(b) ? 1 : 0));
            case Node.Literals literals -> {
                int[] keys = new int[256];
                for (int i = literals.firstAbove(-1, literals.from()); i < literals.to(); ) {
                    int b = literals.next(i);
                    keys[b] = b + 1;
                    i = literals.firstAbove(b, i);
                }
                yield term(node, literals.next(literals.from()) < 0, List.of(), classes(257, b -> keys[b]));
            }
            case Node.Concat(Term head, Term tail) -> {
                ByteClasses both = head.nullable ? and(head.classes, tail.classes) : head.classes;
                yield term(node, head.nullable && tail.nullable, List.of(head, tail), both);
            }
            case Node.Or(List<Term> options) ->
                term(node, options.stream().anyMatch(each -> each.nullable), options, joined(options));
            case Node.And(List<Term> parts) ->
                term(node, parts.stream().allMatch(each -> each.nullable), parts, joined(parts));
            case Node.Machine(StateMachine state) -> {
                List<@Nullable StateMachine> states = new ArrayList<>();
                int[] keys = new int[256];
                for (int b = 0; b < 256; b++) {
                    StateMachine next = state.next(b);
                    keys[b] = states.indexOf(next);
                    if (keys[b] < 0) {
                        keys[b] = states.size();
                        states.add(next);
                    }
                }
                yield term(node, state.accepts(), List.of(), classes(states.size(), b -> keys[b]));
            }
            case Node.Not(Term inner) -> term(node, !inner.nullable, List.of(inner), inner.classes);
            case Node.Repeat(Term inner, int least, int most) -> term(node, least == 0, List.of(inner), inner.classes);
        };
    }

    private Term term(Node node, boolean nullable, List<Term> parts, ByteClasses classes) {
        int repetitions = 1;
        int depth = 0;
        boolean plain = !(node instanceof Node.And || node instanceof Node.Not || node instanceof Node.Machine);
        for (Term part : parts) {
            repetitions = Math.max(repetitions, part.repetitions);
            plain &= part.plain;
            depth = Math.max(depth, part.depth);
        }
        if (node instanceof Node.Repeat(Term unused, int least, int most)) {
            int count = most == UNBOUNDED ? Math.max(least, 1) : most;
            // One count is a number in a term, however large; many inside each other are as many terms.
            repetitions = repetitions == 1 ? Math.min(count, Limits.REPETITIONS) : product(repetitions, count);
        }
        int deeper = node instanceof Node.Concat ? 0 : 1; // the parts of a sequence are followed one by one
        return new Term(ids++, node, nullable, plain, repetitions, depth + deeper, classes);
    }

    private ByteClasses classes(int keys, IntUnaryOperator key) {
        return intern(new ByteClasses(keys, key));
    }

    private ByteClasses intern(ByteClasses made) {
        return classes.computeIfAbsent(made, each -> {
            each.id = ids++;
            budget.keep(CLASSES_BYTES);
            return each;
        });
    }

    private ByteClasses joined(List<Term> terms) {
        return terms.stream().map(term -> term.classes).reduce(one, this::and);
    }

    /** Both as one key, whose hashes differ as pairs do. */
    static long pair(int a, int b) {
        return ((long) a << 32 | b) * 0x9e3779b97f4a7c15L;
    }

    /** The classes whose bytes are in one class of both. */
    ByteClasses and(ByteClasses a, ByteClasses b) {
        if (a.equals(b) || b.count() == 1) {
            return a;
        }
        if (a.count() == 1) {
            return b;
        }
        return products.computeIfAbsent(pair(a.id, b.id), unused -> {
            budget.spend(TERM_STEPS + a.count() * b.count() / 64);
            budget.keep(PRODUCT_BYTES);
            return intern(a.and(b));
        });
    }

    /** The derivative of a term by a byte. */
    Term derivative(Term term, int b) {
        @Nullable Term[] next = term.next;
        if (next == null) {
            next = new Term[term.classes.count()];
            budget.keep(16 + 4L * next.length);
            term.next = next;
        }
        int index = term.classes.of(b);
        Term known = next[index];
        if (known == null) {
            budget.spend(2);
            known = derivatives.of(term.node, b);
            next[index] = known;
        }
        return known;
    }

    /** Ends the compilation: keeps the terms that there are. */
    void seal() {
        base = List.copyOf(terms.values());
        budget.seal();
    }

    /** Drops the terms made since the compilation. Terms in use stay valid. */
    void forget() {
        terms.values().forEach(term -> term.next = null);
        terms.clear();
        products.clear();
        classes.clear();
        union = new Union(this);
        derivatives = new Derivatives(this);
        budget.forget();
        base.forEach(term -> {
            terms.put(term.node, term);
            classes.put(term.classes, term.classes);
        });
    }

    /** Whether any text belongs to a term. */
    boolean live(Term term) {
        return liveness.of(term);
    }
}
