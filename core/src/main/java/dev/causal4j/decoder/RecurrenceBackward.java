package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.kernel.choice.Kernels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The backward of {@link RecurrentHeads#move} for sequences that begin in the step. Beside each step of a {@link
 * dev.causal4j.kernel.DeltaRule} are the lines that undo it, to be read from the last step to the first, at each
 * position from the last to the first. S' is the state before a position; dS begins as the gradient by the state after
 * it:
 *
 * <pre>
 *   1  h = g S'               dg = ⟨dh, S'⟩        dS' = g dh
 *   2  a = hᵀ k               dk -= h de           dh = dS - k deᵀ
 *   3  d = b (v - a)          db = dd · (v - a)    dv = de = b dd
 *   4  S = h + k dᵀ           dd = dSᵀ k           dk = dS d
 *   5  y = Sᵀ q               dq = S dy            dS += q dyᵀ
 * </pre>
 *
 * <p>Without the correction there is no step 2, and de is 0 in dk and dh. Each number is one chain. Each 64th state is
 * kept; the others are computed again.
 *
 * @param active [N, width], queries, keys and values
 * @param gates [N, 2 value heads], rates and decays
 * @param dOut [N, value width]
 * @param dActive [N, width], zeros; written
 * @param dGates [N, 2 value heads], written
 */
record RecurrenceBackward(
        RecurrentHeads heads, float[] active, float[] gates, float[] dOut, float[] dActive, float[] dGates) {
    /** Positions from one kept state to the next. */
    private static final int EACH = 64;

    /**
     * A task is a value head in a sequence. The value heads that read one key head then add to its gradients, in their
     * order.
     */
    void run(Step step) {
        int each = heads.valueHeads();
        Head[] all = new Head[step.parts.size() * each];
        int size = heads.keySize() * heads.valueSize();
        Compute.Scratch<float[][]> scratch = new Compute.Scratch<>(() -> new float[EACH + 1][size]);
        step.compute.run(all.length, scratch, (states, task) -> {
            all[task] = new Head(step.parts.get(task / each), task % each);
            all[task].run(states);
        });
        step.compute.each(step.rows(), row -> {
            for (int head = 0; head < each; head++) {
                all[step.part(row) * each + head].addKeys(row);
            }
        });
    }

    /** The backward of a value head in a sequence. Used by one thread. */
    private final class Head {
        private final int n = heads.keySize();
        private final int m = heads.valueSize();
        private final int keyHead;
        private final int head;
        private final int first; // row
        private final int count;
        private final float[] dKeys; // [T, 2 n], the gradients of queries and keys
        private final float[] dState = new float[n * m];
        private final float[] known = new float[m]; // a
        private final float[] change = new float[m]; // d
        private final float[] dChange = new float[m]; // dd, then de

        Head(Step.Part part, int head) {
            this.keyHead = heads.keyHead(head);
            this.head = head;
            this.first = part.first();
            this.count = part.count();
            this.dKeys = new float[count * 2 * n];
        }

        void addKeys(int row) {
            int at = (row - first) * 2 * n;
            Kernels.add(dKeys, at, dActive, query(row), n);
            Kernels.add(dKeys, at + n, dActive, key(row), n);
        }

        /** @param states room for the states of {@link #EACH} positions and the state before them */
        void run(float[][] states) {
            List<float[]> kept = new ArrayList<>();
            float[] state = states[0];
            Arrays.fill(state, 0);
            for (int t = 0; t < count; t++) {
                if (t % EACH == 0) {
                    kept.add(state.clone());
                }
                move(state, state, first + t);
            }
            for (int i = kept.size() - 1; i >= 0; i--) {
                int from = i * EACH;
                int some = Math.min(count - from, EACH);
                System.arraycopy(kept.get(i), 0, state, 0, state.length);
                for (int t = 0; t < some; t++) {
                    move(states[t], states[t + 1], first + from + t);
                }
                for (int t = some - 1; t >= 0; t--) {
                    backward(states[t], states[t + 1], first + from + t);
                }
            }
        }

        private int query(int row) {
            return row * heads.width() + heads.queries() + keyHead * n;
        }

        private int key(int row) {
            return row * heads.width() + heads.keys() + keyHead * n;
        }

        private int value(int row) {
            return row * heads.width() + heads.values() + head * m;
        }

        private int rate(int row) {
            return row * 2 * heads.valueHeads() + head;
        }

        private int decay(int row) {
            return rate(row) + heads.valueHeads();
        }

        /** Steps 1 to 3: a and d. */
        private void changes(float[] before, int row) {
            float decay = gates[decay(row)];
            Arrays.fill(known, 0);
            for (int i = 0; heads.corrects() && i < n; i++) {
                float k = active[key(row) + i];
                for (int c = 0; c < m; c++) {
                    known[c] = Math.fma(decay * before[i * m + c], k, known[c]); // 1: h = g S'    2: a = hᵀ k
                }
            }
            for (int c = 0; c < m; c++) {
                change[c] = (active[value(row) + c] - known[c]) * gates[rate(row)]; // 3: d = b (v - a)
            }
        }

        /** Steps 1 to 4: the state after a row; {@code after} may be {@code before}. */
        private void move(float[] before, float[] after, int row) {
            changes(before, row);
            for (int i = 0; i < n; i++) {
                float k = active[key(row) + i];
                for (int c = 0; c < m; c++) {
                    after[i * m + c] = Math.fma(k, change[c], gates[decay(row)] * before[i * m + c]); // 4: S = h + k dᵀ
                }
            }
        }

        /** Goes back over a row: dS becomes dS'. */
        private void backward(float[] before, float[] after, int row) {
            int dy = row * heads.valueWidth() + head * m;
            int dq = (row - first) * 2 * n;
            float decay = gates[decay(row)];
            changes(before, row);
            Arrays.fill(dChange, 0);
            for (int i = 0; i < n; i++) {
                float q = active[query(row) + i];
                float k = active[key(row) + i];
                float sum = 0;
                for (int c = 0; c < m; c++) {
                    int at = i * m + c;
                    sum = Math.fma(after[at], dOut[dy + c], sum); // 5: dq = S dy
                    dState[at] = Math.fma(q, dOut[dy + c], dState[at]); // 5: dS += q dyᵀ
                    dChange[c] = Math.fma(dState[at], k, dChange[c]); // 4: dd = dSᵀ k
                }
                dKeys[dq + i] = sum;
            }
            float dRate = 0;
            for (int c = 0; c < m; c++) {
                dRate = Math.fma(dChange[c], active[value(row) + c] - known[c], dRate); // 3: db = dd · (v - a)
                dChange[c] *= gates[rate(row)]; // 3: de = b dd
                dActive[value(row) + c] = dChange[c]; // 3: dv = de
            }
            if (!heads.corrects()) {
                Arrays.fill(dChange, 0); // no 2
            }
            float dDecay = 0;
            for (int i = 0; i < n; i++) {
                float k = active[key(row) + i];
                float sum = 0;
                for (int c = 0; c < m; c++) {
                    int at = i * m + c;
                    sum = Math.fma(dState[at], change[c], sum); // 4: dk = dS d
                    sum = Math.fma(-decay * before[at], dChange[c], sum); // 2: dk -= h de
                    float dh = Math.fma(-k, dChange[c], dState[at]); // 2: dh = dS - k deᵀ
                    dDecay = Math.fma(dh, before[at], dDecay); // 1: dg = ⟨dh, S'⟩
                    dState[at] = decay * dh; // 1: dS' = g dh
                }
                dKeys[dq + n + i] = sum;
            }
            dGates[rate(row)] = dRate;
            dGates[decay(row)] = dDecay;
        }
    }
}
