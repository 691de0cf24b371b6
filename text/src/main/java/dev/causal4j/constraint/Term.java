package dev.causal4j.constraint;

import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A regular expression over bytes. {@link Terms} makes terms, equal ones once, and keeps in them what it has found out:
 * the derivatives by each class of bytes (Brzozowski 1964), and whether any text belongs to them.
 */
final class Term {
    /** How a term is made. Terms are equal if they are the same. */
    sealed interface Node {
        record Empty() implements Node {}

        record Set(Bytes bytes) implements Node {}

        /** Sorted texts from one index to another, without their first {@code depth} bytes, which they share. */
        record Literals(byte[][] texts, int from, int to, int depth) implements Node {
            @Override
            public int hashCode() {
                return Seeded.hash(System.identityHashCode(texts), from, to, depth);
            }

            int size() {
                return to - from;
            }

            /** Whether all texts of another are among these. */
            boolean has(Literals others) {
                int at = from;
                for (int i = others.from; i < others.to; i++) {
                    byte[] text = others.texts[i];
                    while (at < to && compare(at, text, others.depth) < 0) {
                        at++;
                    }
                    if (at == to || compare(at, text, others.depth) > 0) {
                        return false;
                    }
                }
                return true;
            }

            /** The next byte of a text; -1 at its end. */
            int next(int index) {
                return texts[index].length > depth ? texts[index][depth] & 255 : -1;
            }

            /** The first text, at or after an index, whose next byte is above another. */
            int firstAbove(int b, int begin) {
                int low = begin;
                int high = to;
                while (low < high) {
                    int middle = (low + high) >>> 1;
                    boolean above = next(middle) > b;
                    low = above ? low : middle + 1;
                    high = above ? middle : high;
                }
                return low;
            }

            private int compare(int index, byte[] text, int begin) {
                return Arrays.compareUnsigned(texts[index], depth, texts[index].length, text, begin, text.length);
            }
        }

        record Concat(Term head, Term tail) implements Node {}

        record Or(List<Term> options) implements Node {}

        record And(List<Term> parts) implements Node {}

        record Not(Term term) implements Node {}

        /** The texts after which a machine accepts. */
        record Machine(StateMachine state) implements Node {}

        record Repeat(Term term, int least, int most) implements Node {
            @Override
            public int hashCode() {
                return Seeded.hash(term.hashCode(), least, most);
            }
        }
    }

    enum Life {
        UNKNOWN,
        LIVE,
        DEAD
    }

    final int id;
    final Node node;
    final boolean nullable; // whether the empty text belongs to it
    final boolean plain; // whether it has neither intersections nor complements
    final int repetitions; // most of a part of it
    final int depth; // of parts inside each other
    final ByteClasses classes;

    @Nullable
    Term @Nullable [] next; // derivatives by class

    Life life = Life.UNKNOWN;

    Term(int id, Node node, boolean nullable, boolean plain, int repetitions, int depth, ByteClasses classes) {
        this.id = id;
        this.node = node;
        this.nullable = nullable;
        this.plain = plain;
        this.repetitions = repetitions;
        this.depth = depth;
        this.classes = classes;
    }
}
