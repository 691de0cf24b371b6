package dev.causal4j.scoring;

import dev.causal4j.FormatException;
import dev.causal4j.compute.Rows;
import dev.causal4j.json.UntrustedInput;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * A file of llama-perplexity with the distributions of a base model: a head, the tokens of all chunks, and for each
 * scored token a row of V logarithms of probabilities. Numbers are little-endian. Tokens and rows are read as streams,
 * so that what a head claims takes no memory.
 *
 * @param context tokens of a chunk
 * @param vocabularySize V
 */
record KlBaseFile(Path path, int context, int vocabularySize, int chunks) {
    static final int HEAD = 20; // bytes

    private static final long MAGIC = 0x5f737469676f6c5fL; // _logits_
    private static final int CODES = 65535; // the largest code
    private static final float RANGE = 16; // of a row's logarithms
    private static final float ROUNDING = 1e-3f; // how far a largest logarithm may be above 0

    /** Reads and checks the head of a file, and the size that it claims. */
    static KlBaseFile read(Path path, int vocabularySize, int contextLength) throws IOException {
        UntrustedInput.requireFile(path, "a base file of llama-perplexity");
        try (InputStream in = Files.newInputStream(path)) {
            ByteBuffer head = new KlBaseFile(path, 0, 0, 0).bytes(in, HEAD);
            long magic = head.getLong();
            KlBaseFile file = new KlBaseFile(path, head.getInt(), head.getInt(), head.getInt());
            int n = file.context;
            file.require(magic == MAGIC, "a base file of llama-perplexity", "another file");
            file.require(n >= 3 && n <= contextLength, "chunks of 3 to " + contextLength + " tokens", n);
            file.require(
                    file.vocabularySize == vocabularySize, "a vocabulary of " + vocabularySize, file.vocabularySize);
            long bytes = 4L * n + (long) scored(n) * file.rowBytes();
            long size = Files.size(path);
            boolean fits = file.chunks > 0 && file.chunks <= size / bytes && HEAD + file.chunks * bytes == size;
            file.require(fits, "a head and " + file.chunks + " chunks of " + bytes + " bytes", size + " bytes");
            return file;
        }
    }

    private void require(boolean holds, String expected, Object got) throws FormatException {
        if (!holds) {
            throw new FormatException(path.toString(), expected, got.toString(), "write it again");
        }
    }

    private ByteBuffer bytes(InputStream in, int count) throws IOException {
        byte[] bytes = in.readNBytes(count);
        require(bytes.length == count, count + " more bytes", bytes.length);
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    /** How many tokens of a chunk are scored: those in its second half. */
    static int scored(int context) {
        return context - 1 - context / 2;
    }

    private int rowBytes() {
        return 8 + 2 * (vocabularySize + vocabularySize % 2);
    }

    /** The head, and the tokens of all chunks. */
    byte[] head(int[] tokens) {
        ByteBuffer head = ByteBuffer.allocate(HEAD + 4 * tokens.length).order(ByteOrder.LITTLE_ENDIAN);
        head.putLong(MAGIC).putInt(context).putInt(vocabularySize).putInt(chunks);
        head.asIntBuffer().put(tokens);
        return head.array();
    }

    /** The tokens of the next chunk, as they are in the text. */
    int[] tokens(InputStream in) throws IOException {
        int[] tokens = new int[context];
        bytes(in, 4 * context).asIntBuffer().get(tokens);
        int last = vocabularySize - 1;
        for (int token : tokens) {
            require(token >= 0 && token <= last, "token ids 0 to " + last, token);
        }
        return tokens;
    }

    /** A row as bytes, computed in float as llama.cpp does. */
    ByteBuffer encode(Rows logits) {
        float[] z = Arrays.copyOfRange(logits.data(), logits.start(0), logits.start(0) + vocabularySize);
        float top = Float.NEGATIVE_INFINITY;
        float low = Float.POSITIVE_INFINITY;
        for (float logit : z) {
            top = Math.max(top, logit);
            low = Math.min(low, logit);
        }
        low = Math.max(low, top - RANGE);
        float scale = (top - low) / CODES;
        float inverse = 1 / scale;
        double sum = 0;
        ByteBuffer row =
                ByteBuffer.allocate(rowBytes()).order(ByteOrder.LITTLE_ENDIAN).position(8);
        for (float logit : z) {
            sum += (float) StrictMath.exp(logit - top);
            row.putShort((short) (scale == 0 || logit <= low ? 0 : (int) Math.rint(inverse * (logit - low))));
        }
        row.clear();
        return row.putFloat(0, scale).putFloat(4, low - top - (float) StrictMath.log(sum));
    }

    /** The logarithms of the next row, [V]: each scale * code + least. */
    double[] row(InputStream in) throws IOException {
        ByteBuffer row = bytes(in, rowBytes());
        double scale = row.getFloat();
        double least = row.getFloat();
        boolean holds = scale >= 0 && Double.isFinite(least) && CODES * scale + least < ROUNDING;
        require(holds, "logarithms of at most 0", least + " and up to " + CODES + " times " + scale + " more");
        double[] logarithms = new double[vocabularySize];
        Arrays.setAll(logarithms, _ -> scale * Short.toUnsignedInt(row.getShort()) + least);
        return logarithms;
    }
}
