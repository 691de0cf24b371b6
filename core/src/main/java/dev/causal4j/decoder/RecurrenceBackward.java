package dev.causal4j.decoder;

import dev.causal4j.compute.Compute;
import dev.causal4j.kernel.choice.Kernels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The backward of {@link RecurrentHeads#move} for sequences that begin in the step. With h = g S before a
 * position, d = b (v - hᵀ k), S after it and dS the gradient by that, from the last position to the first:
 *
 * <pre>
 *   dq = S dy        dS += q dyᵀ        dd = dSᵀ k        db = dd · (v - hᵀ k)        dv = de = b dd
 *   dk = dS d - h de        dh = dS - k deᵀ        dg = ⟨dh, S before⟩        dS = g dh
 * </pre>
 *
 * <p>Without the correction de is 0 in dk and dh. Each number is one chain. Each 64th state is kept; the others are computed again.
 *
 * @param active [N, width], queries, keys and values
 * @param gates [N, 2 value heads], rates and decays
 * @param dOut [N, value width]
 * @param dActive [N, width], zeros; written
 * @param dGates [N, 2 value heads], written
 */
record RecurrenceBackward(
        RecurrentHeads heads, float[] active, float[] gates, float[] dOut, float[] dActive, float[] dGates) {
    /** Positions from a state that is kept to the next. */
    private static final int EACH = 64;

    /** A task is a value head in a sequence. Those that read a key head then add to its gradients, in their order. */
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
        private final float[] dKeys; // [T, 2 n], of queries and keys
        private final float[] dState = new float[n * m];
        private final float[] known = new float[m];
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

        /** @param states room for those of {@link #EACH} positions and the one before */
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

        /** Known = hᵀ k and d. */
        private void changes(float[] before, int row) {
            float decay = gates[decay(row)];
            Arrays.fill(known, 0);
            for (int i = 0; heads.corrects() && i < n; i++) {
                float k = active[key(row) + i];
                for (int c = 0; c < m; c++) {
                    known[c] = Math.fma(decay * before[i * m + c], k, known[c]);
                }
            }
            for (int c = 0; c < m; c++) {
                change[c] = (active[value(row) + c] - known[c]) * gates[rate(row)];
            }
        }

        /** The state after a row; it may be the one before. */
        private void move(float[] before, float[] after, int row) {
            changes(before, row);
            for (int i = 0; i < n; i++) {
                float k = active[key(row) + i];
                for (int c = 0; c < m; c++) {
                    after[i * m + c] = Math.fma(k, change[c], gates[decay(row)] * before[i * m + c]);
                }
            }
        }

        private void backward(float[] before, float[] after, int row) {
            int dy = row * heads.valueWidth() + head * m;
            changes(before, row);
            Arrays.fill(dChange, 0);
            for (int i = 0; i < n; i++) {
                float q = active[query(row) + i];
                float k = active[key(row) + i];
                float dq = 0;
                for (int c = 0; c < m; c++) {
                    dq = Math.fma(after[i * m + c], dOut[dy + c], dq);
                    dState[i * m + c] = Math.fma(q, dOut[dy + c], dState[i * m + c]);
                    dChange[c] = Math.fma(dState[i * m + c], k, dChange[c]);
                }
                dKeys[(row - first) * 2 * n + i] = dq;
            }
            float dRate = 0;
            for (int c = 0; c < m; c++) {
                dRate = Math.fma(dChange[c], active[value(row) + c] - known[c], dRate);
                dChange[c] *= gates[rate(row)];
                dActive[value(row) + c] = dChange[c];
            }
            if (!heads.corrects()) {
                Arrays.fill(dChange, 0);
            }
            dGates[rate(row)] = dRate;
            dGates[decay(row)] = stateBackward(before, row);
        }

        /** dk, and dS of the state before; returns dg. */
        private float stateBackward(float[] before, int row) {
            float decay = gates[decay(row)];
            float dDecay = 0;
            for (int i = 0; i < n; i++) {
                float k = active[key(row) + i];
                float dk = 0;
                for (int c = 0; c < m; c++) {
                    int at = i * m + c;
                    dk = Math.fma(dState[at], change[c], dk);
                    dk = Math.fma(-decay * before[at], dChange[c], dk);
                    float dh = Math.fma(-k, dChange[c], dState[at]);
                    dDecay = Math.fma(dh, before[at], dDecay);
                    dState[at] = decay * dh;
                }
                dKeys[((row - first) * 2 + 1) * n + i] = dk;
            }
            return dDecay;
        }
    }
}
