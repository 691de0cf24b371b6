package dev.causal4j.constraint;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * Follows a grammar without intersections and complements by a set of derivatives, without caches, classes of bytes and
 * the simplifications of {@link Terms}. A text can be completed if the set is not empty.
 */
final class ScalarTwin {
    private sealed interface Node {}

    private record Bits(Bytes bytes) implements Node {}

    private record Both(Node head, Node tail) implements Node {}

    private record Any(Set<Node> options) implements Node {}

    private record Times(Node node, int least, int most) implements Node {}

    private static final Node NEVER = new Any(Set.of());
    private static final Node EMPTY = new Times(NEVER, 0, 0);

    /** The rest of a derivation: a node first, then expressions. */
    private record Member(Node node, List<Expression> then) {}

    private final Grammar grammar;
    private final Set<Member> members;
    private final boolean accepts;

    ScalarTwin(Grammar grammar) {
        this(grammar, Set.of(new Member(EMPTY, List.of(grammar.rules().getFirst()))));
    }

    private ScalarTwin(Grammar grammar, Set<Member> kernel) {
        this.grammar = grammar;
        this.members = new LinkedHashSet<>();
        Deque<Member> open = new ArrayDeque<>(kernel);
        Set<Member> seen = new HashSet<>();
        boolean ends = false;
        while (!open.isEmpty()) {
            Member member = open.pop();
            if (!seen.add(member) || member.node.equals(NEVER)) {
                continue;
            }
            members.add(member);
            if (nullable(member.node)) {
                if (member.then.isEmpty()) {
                    ends = true;
                } else {
                    open.addAll(expand(member.then.getFirst(), member.then.subList(1, member.then.size())));
                }
            }
        }
        accepts = ends;
    }

    private List<Member> expand(Expression expression, List<Expression> then) {
        return switch (expression) {
            case Expression.Text(Term term) -> List.of(new Member(node(term), then));
            case Expression.Tokens unused -> List.of();
            case Expression.Call(int rule) -> expand(grammar.rules().get(rule), then);
            case Expression.Sequence(List<Expression> parts) -> List.of(new Member(EMPTY, joined(parts, then)));
            case Expression.Choice(List<Expression> options) ->
                options.stream().flatMap(each -> expand(each, then).stream()).toList();
            case Expression.Repeat(Expression part, int least, int most) -> {
                List<Member> ways = new ArrayList<>();
                if (least == 0) {
                    ways.add(new Member(EMPTY, then));
                }
                if (most > 0) {
                    Expression rest = new Expression.Repeat(
                            part, Math.max(least - 1, 0), most == Terms.UNBOUNDED ? most : most - 1);
                    ways.add(new Member(EMPTY, joined(List.of(part, rest), then)));
                }
                yield ways;
            }
        };
    }

    private static List<Expression> joined(List<Expression> first, List<Expression> then) {
        List<Expression> all = new ArrayList<>(first);
        all.addAll(then);
        return List.copyOf(all);
    }

    /** The twin after some bytes, or null if they cannot be completed. */
    @Nullable
    ScalarTwin next(byte[] text) {
        ScalarTwin twin = this;
        for (byte b : text) {
            Set<Member> kernel = new LinkedHashSet<>();
            for (Member member : twin.members) {
                derive(member.node, b & 255).forEach(rest -> kernel.add(new Member(rest, member.then)));
            }
            twin = new ScalarTwin(grammar, kernel);
            if (twin.members.isEmpty()) {
                return null;
            }
        }
        return twin;
    }

    boolean accepts() {
        return accepts;
    }

    private static Node node(Term term) {
        return switch (term.node) {
            case Term.Node.Empty unused -> EMPTY;
            case Term.Node.Set(Bytes bytes) -> new Bits(bytes);
            case Term.Node.Literals literals -> {
                Set<Node> texts = new LinkedHashSet<>();
                for (int i = literals.from(); i < literals.to(); i++) {
                    byte[] text = literals.texts()[i];
                    Node node = EMPTY;
                    for (int at = text.length - 1; at >= literals.depth(); at--) {
                        node = both(new Bits(Bytes.range(text[at] & 255, text[at] & 255)), node);
                    }
                    texts.add(node);
                }
                yield any(texts);
            }
            case Term.Node.Concat(Term head, Term tail) -> both(node(head), node(tail));
            case Term.Node.Or(List<Term> options) -> any(nodes(options));
            case Term.Node.Repeat(Term inner, int least, int most) -> new Times(node(inner), least, most);
            default -> throw new IllegalArgumentException("expected a plain term");
        };
    }

    private static Set<Node> nodes(List<Term> terms) {
        Set<Node> nodes = new LinkedHashSet<>();
        terms.forEach(each -> nodes.add(node(each)));
        return nodes;
    }

    private static boolean nullable(Node node) {
        return switch (node) {
            case Bits unused -> false;
            case Both(Node head, Node tail) -> nullable(head) && nullable(tail);
            case Any(Set<Node> options) -> options.stream().anyMatch(ScalarTwin::nullable);
            case Times(Node inner, int least, int unused) -> least == 0 || nullable(inner);
        };
    }

    /** The partial derivatives (Antimirov 1996). */
    private static Set<Node> derive(Node node, int b) {
        Set<Node> rests = new LinkedHashSet<>();
        switch (node) {
            case Bits(Bytes bytes) -> {
                if (bytes.has(b)) {
                    rests.add(EMPTY);
                }
            }
            case Both(Node head, Node tail) -> {
                derive(head, b).forEach(rest -> rests.add(both(rest, tail)));
                if (nullable(head)) {
                    rests.addAll(derive(tail, b));
                }
            }
            case Any(Set<Node> options) -> options.forEach(each -> rests.addAll(derive(each, b)));
            case Times(Node inner, int least, int most) -> {
                if (most > 0) {
                    int rest = most == Terms.UNBOUNDED ? most : most - 1;
                    Node more = rest == 0 ? EMPTY : new Times(inner, Math.max(least - 1, 0), rest);
                    derive(inner, b).forEach(each -> rests.add(both(each, more)));
                }
            }
        }
        return rests;
    }

    private static Node both(Node head, Node tail) {
        if (head.equals(NEVER) || tail.equals(NEVER)) {
            return NEVER;
        }
        return head.equals(EMPTY) ? tail : tail.equals(EMPTY) ? head : new Both(head, tail);
    }

    private static Node any(Iterable<Node> options) {
        Set<Node> flat = new LinkedHashSet<>();
        for (Node option : options) {
            flat.addAll(option instanceof Any(Set<Node> inner) ? inner : Set.of(option));
        }
        return flat.size() == 1 ? flat.iterator().next() : new Any(flat);
    }
}
