package dev.causal4j.format;

import static dev.causal4j.format.GgufForge.MAGIC;
import static dev.causal4j.format.GgufForge.QUERY;
import static dev.causal4j.format.GgufForge.after;
import static dev.causal4j.format.GgufForge.bytes;
import static dev.causal4j.format.GgufForge.f32;
import static dev.causal4j.format.GgufForge.good;
import static dev.causal4j.format.GgufForge.list;
import static dev.causal4j.format.GgufForge.overwritten;
import static dev.causal4j.format.GgufForge.text;
import static dev.causal4j.format.GgufForge.u32;

import dev.causal4j.format.GgufForge.Tensor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.UnaryOperator;

/**
 * A GGUF file that is hostile, damaged or merely unusual: a good one with one change.
 *
 * @param change the one change
 * @param told texts that the refusal must contain
 */
public record GgufAttack(String change, Fate fate, List<String> told, byte[] file) {
    /** The result that a reader must have. */
    public enum Fate {
        LOADED,
        /** The container is sound; a model of it is refused. */
        NO_MODEL,
        NO_CONTAINER
    }

    private static final List<GgufAttack> ALL = new ArrayList<>();

    static {
        unusual();
        starts();
        counts();
        lengths();
        values();
        alignments();
        names();
        shapes();
        types();
        offsets();
        tensors();
        architectures();
        sizes();
        numbers();
        vocabularies();
    }

    public static List<GgufAttack> all() {
        return Collections.unmodifiableList(ALL);
    }

    /** Writes the file under a neutral name. */
    public Path write(Path folder) throws IOException {
        return Files.write(folder.resolve(ALL.indexOf(this) + ".gguf"), file);
    }

    @Override
    public String toString() {
        return change;
    }

    // ---- the table; in the text of a refusal, "..." stands for any text

    private static void unusual() {
        loaded("nothing", good());
        loaded("version 2, which has the same layout", good().version(2));
        loaded("no padding after the last tensor", good().withoutLastPadding());
        loaded("100 bytes after the data", bytes(good().file(), new byte[100]));
        loaded("alignment 8", good().alignment(u32(8)).aligned(8));
        loaded("an array of arrays", good().key("x.n", bytes(9, 9, 1L, 0, 1L, (byte) 7)));
        loaded("a key outside ASCII", good().key("x.\u00e9", u32(1)));
        loaded("3 dimensions, the last 1", query(each -> each.shaped(8, 8, 1)));
        loaded("4 dimensions, two of them 1", query(each -> each.shaped(8, 8, 1, 1)));
        loaded("a norm of 2 dimensions", good().change("output_norm.weight", each -> each.shaped(8, 1)));
        loaded("weights that are NaN", query(each -> each.holding(repeated(64, Float.NaN))));
        String last = "blk.0.ffn_down.weight";
        long begin = 5 * 256 + 2 * 128 + 3 * 32; // after five matrices, two of half their size and three norms
        Tensor moved = Tensor.of(last, 8, 8).at(begin + 32).holding(new byte[32 + 256]);
        loaded("a gap of 32 bytes before the last tensor", good().change(last, each -> moved));
        loaded("tensors declared in another order", good().declaringInTurn(QUERY, "blk.0.attn_output.weight"));
        for (int type : new int[] {2, 5, 10}) {
            Object one = type == 2 ? (Object) (short) 1 : type == 5 ? (Object) 1 : (Object) 1L;
            loaded("a number of blocks of type " + type, good().key("llama.block_count", bytes(type, one)));
        }
        loaded("a number of heads for each layer", good().key("llama.attention.head_count", list(4, 2)));
        loaded("a context of 2^32 - 1", good().key("llama.context_length", u32(-1)));
        loaded("an epsilon of 0", good().key("llama.attention.layer_norm_rms_epsilon", f32(0)));
        for (String key : List.of("pre", "token_type", "eos_token_id")) {
            loaded("without tokenizer.ggml." + key, good().without("tokenizer.ggml." + key));
        }
        loaded("an empty token", good().key("tokenizer.ggml.tokens", vocabulary("", "b")));
        loaded("unknown token types", good().key("tokenizer.ggml.token_type", bytes(9, 5, 8L, repeated(8, 99))));
        loaded("a merge without a space", good().key("tokenizer.ggml.merges", list(8, "ab")));
        loaded("a merge of unknown tokens", good().key("tokenizer.ggml.merges", list(8, "x y")));
        loaded("an end of text that is no token", good().key("tokenizer.ggml.eos_token_id", u32(99)));
    }

    private static void starts() {
        noContainer("no bytes", "begins with GGUF", new byte[0]);
        noContainer("nothing after the magic", "header...cut short", MAGIC);
        noContainer("the magic GGML", "begins with GGUF", good().magic("GGML"));
        noContainer("the magic gguf", "begins with GGUF", good().magic("gguf"));
        String supported = "expected GGUF of version 2 or 3, little-endian, got ";
        noContainer("version 0", supported + "version 0", good().version(0));
        noContainer("version 1 with the layout of 3", supported + "version 1", good().version(1));
        byte[] first = bytes(MAGIC, 1, 0, 1, 20, latin("general.architecture"), 8, 5, latin("llama"));
        noContainer("version 1 with its own layout", supported + "version 1", first);
        noContainer("version 4", supported + "version 4", good().version(4));
        noContainer("big-endian", supported + "a big-endian file", good().version(0x03000000));
        noContainer("version 2^32 - 1", supported + "version 4294967295", good().version(-1));
        noContainer(
                "the name of one file, split in two",
                "-00001-of-00002.gguf...got",
                good().key("split.no", bytes(2, (short) 0)).key("split.count", bytes(2, (short) 2)));
    }

    private static void counts() {
        noModel("no tensor announced", "block for each tensor, got 1", good().announcingTensors(0));
        noModel("1 tensor of 11 announced", "got 1 others", good().announcingTensors(1));
        noModel("10 tensors of 11 announced", "\"blk.0.ffn_down.weight\"", good().announcingTensors(10));
        for (long count : new long[] {12, 1000}) {
            noContainer(
                    count + " tensors of 11 announced", "tensor 11...1 to 64 bytes", good().announcingTensors(count));
        }
        for (long count : new long[] {1L << 32, 1L << 56, 1L << 61, (1L << 62) + 11, 1L << 63, -1}) {
            String told = "0 to 500000 tensors, got " + Long.toUnsignedString(count);
            noContainer(Long.toUnsignedString(count) + " tensors announced", told, good().announcingTensors(count));
        }
        noContainer("no key announced", "1 to 4 dimensions, got 8", good().announcingKeys(0));
        noContainer("13 keys of 14 announced", "tokenizer.ggml.eos_token_id", good().announcingKeys(13));
        noContainer("15 keys of 14 announced", "tensor 0: ...2251799813685248", good().announcingKeys(15));
        noContainer("1000 keys of 14 announced", "key 15: ...2251799813685248", good().announcingKeys(1000));
        for (long count : new long[] {1L << 32, 1L << 60, 1L << 63, -1}) {
            String told = "0 to 500000 keys, got " + Long.toUnsignedString(count);
            noContainer(Long.toUnsignedString(count) + " keys announced", told, good().announcingKeys(count));
        }
    }

    private static void lengths() {
        byte[] whole = good().file();
        for (int length : new int[] {8, 15, 23, 24, 30, 40, 60, 200, 400, 700, 900}) {
            noContainer("cut after " + length + " bytes", "cut short; download", Arrays.copyOf(whole, length));
        }
        for (int missing : new int[] {whole.length / 2, 200, 1}) {
            byte[] cut = Arrays.copyOf(whole, whole.length - missing);
            noContainer(missing + " bytes missing", "cut short, " + missing + " bytes missing; download it again", cut);
        }
        for (long length : new long[] {-1, 1L << 63, 1L << 62, 1L << 40, 1L << 31, 70_000}) {
            String claimed = Long.toUnsignedString(length);
            byte[] key = overwritten(whole, 24, bytes(length));
            noContainer("a key of " + claimed + " bytes", "key 0: ...1 to 65535 bytes of text, got " + claimed, key);
            String told = length == 70_000 ? "cut short" : "0 to 100000000 bytes of text, got " + claimed;
            noContainer(
                    "a text of " + claimed + " bytes", "\"x.s\": ..." + told, value("x.s", 8, length, latin("abc")));
            noContainer("an array of " + claimed + " bytes", "\"x.a\": ...elements, got " + claimed, array(0, length));
        }
        noContainer(
                "2^61 u64, 0 bytes by overflow", "\"x.a\": ...elements, got 2305843009213693952", array(10, 1L << 61));
        noContainer("2^61 + 1 u64, 8 by overflow", "elements, got 2305843009213693953", array(10, (1L << 61) + 1));
        noContainer("2^62 + 2 u32, 8 by overflow", "elements, got 4611686018427387906", array(4, (1L << 62) + 2));
        noContainer("an array of 2^60 texts", "elements, got 1152921504606846976", array(8, 1L << 60));
        noContainer("an array of 2^31 texts", "elements, got 2147483648", array(8, 1L << 31));
    }

    private static void values() {
        noContainer(
                "more texts than a heap should hold",
                "\"x.a\": ...texts in a file of at most 4194304, got 4194305",
                value("x.a", 9, 8, (1L << 22) + 1, new byte[1 << 23]));
        List<Object> nested = new ArrayList<>(List.of(9));
        for (int i = 0; i < 30_000; i++) {
            nested.addAll(List.of(9, 1L));
        }
        nested.addAll(List.of(0, 1L, (byte) 1));
        byte[] deep = bytes(nested.toArray());
        noContainer(
                "30,000 arrays in one another",
                "\"x.d\": ...0 to 16 levels of arrays, got 17",
                good().key("x.d", deep));
        for (long type : new long[] {13, 255, 0xffff_ffffL}) {
            noContainer(
                    "a value of type " + type,
                    "\"x.t\": ...as the type of a value, got " + type,
                    value("x.t", (int) type, 0L));
        }
        noContainer(
                "an array of type 13",
                "\"x.t\": ...as the type of a value, got 13",
                value("x.t", 9, 13, 1L, new byte[8]));
        noContainer("a boolean of 2", "\"x.b\": ...0 to 1 as a boolean, got 2", value("x.b", 7, (byte) 2));
        noContainer("an empty key", "key 14: ...1 to 65535 bytes of text, got 0", good().key("", u32(1)));
        noContainer(
                "a key of 65,536 bytes",
                "key 14: ...65535 bytes of text, got 65536",
                good().key("k".repeat(65_536), u32(1)));
        noContainer("a NUL in a key", "key 14: ...without NUL, got \"x\\u0000y\"", good().key("x\0y", u32(1)));
        noContainer(
                "a text that is not UTF-8", "\"x.s\": ...text in UTF-8", value("x.s", 8, 3L, new byte[] {-1, -2, -128
                }));
        for (int blocks = 1; blocks <= 2; blocks++) {
            String told = "key \"llama.block_count\": ...each key once, got it twice";
            noContainer("a key twice, now " + blocks, told, good().again("llama.block_count", u32(blocks)));
        }
    }

    private static void alignments() {
        String key = "key \"general.alignment\": ...";
        for (int alignment : new int[] {0, 1, 3}) {
            GgufForge forge = good().alignment(u32(alignment)).aligned(alignment == 0 ? 32 : alignment);
            noContainer("alignment " + alignment, key + "an integer from 8 to 1073741824, got " + alignment, forge);
        }
        for (int alignment : new int[] {12, 33}) {
            GgufForge forge = good().alignment(u32(alignment)).aligned(alignment);
            noContainer("alignment " + alignment, key + "a multiple of 8, got " + alignment, forge);
        }
        noContainer("alignment 2^31", key + "got 2147483648", good().alignment(u32(1 << 31)));
        noContainer("an alignment in 64 bits", key + "type of a value, got 10", good().alignment(bytes(10, 32L)));
        noContainer("an alignment as text", key + "type of a value, got 8", good().alignment(text("32")));
        String told = "tensor \"blk.0.attn_norm.weight\": ...aligned to 64...got offset 288";
        noContainer("alignment 64 that is not kept", told, good().alignment(u32(64)));
    }

    private static void names() {
        noContainer(
                "a tensor without a name", "tensor 3: ...1 to 64 bytes of text, got 0", query(each -> each.named("")));
        noModel("a tensor's name of 64 bytes", "a tensor \"" + QUERY + "\"", query(each -> each.named("n".repeat(64))));
        String other = "blk.0.attn_output.weight";
        noContainer(
                "two tensors of one name",
                "\"" + other + "\": ...each name once, got it twice",
                query(each -> each.named(other)));
        noContainer("a NUL in a tensor's name", "tensor 3: ...without NUL", query(each -> each.named(QUERY + "\0x")));
        byte[] named = query(each -> each.named("blk.0.X.weight")).file();
        byte[] damaged = overwritten(named, after(named, "blk.0.X") - 1, (byte) 0xff);
        noContainer("a tensor's name that is not UTF-8", "tensor 3: ...text in UTF-8", damaged);
    }

    private static void shapes() {
        String tensor = "tensor \"" + QUERY + "\": ...";
        noContainer("a tensor of no dimension", tensor + "1 to 4 dimensions, got 0", query(Tensor::shaped));
        byte[] whole = good().file();
        for (long dimensions : new long[] {5, 255, 0xffff_ffffL}) {
            byte[] file = overwritten(whole, after(whole, QUERY), bytes((int) dimensions));
            noContainer(dimensions + " dimensions", tensor + "1 to 4 dimensions, got " + dimensions, file);
        }
        for (long[] shape :
                new long[][] {{0, 8}, {8, 0}, {1L << 63, 1}, {-1, 8}, {1L << 32, 1L << 32}, {1L << 62, 4}, {1L << 61, 2}
                }) {
            String told = tensor + "numbers in a dimension, got ";
            noContainer("the shape " + Arrays.toString(shape), told, query(each -> each.shaped(shape)));
        }
        noContainer("the shape [8, 2^40]", "all its tensors...cut short", query(each -> each.shaped(8, 1L << 40)));
        for (long[] shape : new long[][] {{64}, {16, 4}, {4, 16}, {8, 16}}) {
            noModel("the shape " + Arrays.toString(shape), QUERY + " of shape", query(each -> each.shaped(shape)));
        }
    }

    private static void types() {
        String tensor = "tensor \"" + QUERY + "\": ...";
        for (int type : new int[] {4, 5, 31, 36, 38, 43, 99, 1 << 31, -1, 26, 28}) {
            String got = switch (type) {
                case 4 -> "Q4_2";
                case 5 -> "Q4_3";
                case 26 -> "I32";
                case 28 -> "F64";
                case 31 -> "Q4_0_4_4";
                case 36 -> "IQ4_NL_4_4";
                case 38 -> "IQ4_NL_8_8";
                default -> Integer.toUnsignedString(type);
            };
            noContainer("a tensor of type " + got, tensor + "got type " + got, query(each -> each.typed(type)));
        }
        noContainer("rows of 8 in Q8_0", tensor + "a multiple of 32...got rows of 8", query(each -> each.typed(8)));
        noContainer("rows of 8 in Q4_K", tensor + "a multiple of 256...got rows of 8", query(each -> each.typed(12)));
        noContainer("rows of 8 in Q4_0", tensor + "a multiple of 32...got rows of 8", query(each -> each.typed(2)));
    }

    private static void offsets() {
        for (long offset : new long[] {0, 1, -32, -1}) {
            String told =
                    QUERY + "...256 bytes of its own, aligned to 32...got offset " + Long.toUnsignedString(offset);
            noContainer("the offset " + Long.toUnsignedString(offset), told, query(each -> each.at(offset)));
        }
        for (long offset : new long[] {1L << 40, 32_000_000}) {
            String told = "cut short, " + (offset + 256 - 1888) + " bytes missing";
            noContainer("the offset " + offset + ", beyond the file", told, query(each -> each.at(offset)));
        }
    }

    private static void tensors() {
        noModel("a tensor missing", "a tensor \"" + QUERY + "\"", good().withoutTensor(QUERY));
        for (String name : List.of("blk.0.zebra.weight", "blk.9.attn_norm.weight")) {
            noModel(name + ", which the model lacks", "only...\"" + name + "\"", good().tensor(Tensor.of(name, 8)));
        }
    }

    private static void architectures() {
        String key = "general.architecture";
        noModel("no architecture", key + "...nothing", good().without(key));
        noModel("an unknown architecture", key + "...\"zebra\"", good().key(key, text("zebra")));
        noModel("an architecture that is a number", key + "...1", good().key(key, u32(1)));
        noModel("an architecture without a letter", key + "...\"\"", good().key(key, text("")));
        for (String each : List.of(
                "llama.context_length",
                "llama.embedding_length",
                "llama.block_count",
                "llama.feed_forward_length",
                "llama.attention.head_count",
                "llama.attention.layer_norm_rms_epsilon",
                "tokenizer.ggml.model",
                "tokenizer.ggml.tokens",
                "tokenizer.ggml.merges")) {
            noModel("without " + each, "key \"" + each + "\": ...got nothing", good().without(each));
        }
        String heads = "llama.attention.head_count_kv"; // as many as heads of queries, if it is missing
        noModel("without " + heads, "blk.0.attn_k.weight: expected shape [8, 8], got [4, 8]", good().without(heads));
    }

    private static void sizes() {
        for (long heads : new long[] {0, 3, 1L << 31}) {
            size("attention.head_count", heads, "head_count\": ...got " + heads);
        }
        size("attention.head_count_kv", 0, "head_count_kv\": ...got 0");
        size("attention.head_count_kv", 3, "a multiple of...3, got 2");
        size("block_count", 0, "block_count\": ...got 0");
        size("block_count", 2, "a tensor \"blk.1.attn_q.weight\"");
        size("block_count", 1_000_000, "one block for each tensor, got 1000000");
        size("block_count", 0xffff_ffffL, "block_count\": ...got 4294967295");
        size("embedding_length", 0, "embedding_length\": ...got 0");
        size("embedding_length", 16, QUERY + " of shape [8, 8]");
        size("embedding_length", 1L << 31, "embedding_length\": ...got 2147483648");
        size("feed_forward_length", 16, "blk.0.ffn_gate.weight: expected shape [16, 8], got [8, 8]");
        size("context_length", 0, "context_length\": ...got 0");
        size("expert_count", 4, "expert_count\": ...got 4");
        size("attention.key_length", 3, "got 3");
        size("rope.dimension_count", 3, "rope.dimension_count\": ...got 3");
        size("rope.dimension_count", 8, "rope.dimension_count\": ...got 8");
    }

    private static void size(String key, long size, String told) {
        noModel(key + " " + size, told, good().key("llama." + key, u32(size)));
    }

    private static void numbers() {
        String blocks = "llama.block_count";
        noModel("-1 blocks in 64 bits", blocks + "...got -1", good().key(blocks, bytes(11, -1L)));
        noModel("-1 blocks in 32 bits", blocks + "...got -1", good().key(blocks, bytes(5, -1)));
        noModel("a number of blocks in f32", blocks + "...got 1.0", good().key(blocks, f32(1)));
        noModel("a number of blocks as text", blocks + "...got \"1\"", good().key(blocks, text("1")));
        noModel("a number of blocks as a boolean", blocks + "...got true", good().key(blocks, bytes(7, (byte) 1)));
        noModel("a list of numbers of blocks", blocks + "...got a list of 1", good().key(blocks, list(4, 1)));
        String heads = "llama.attention.head_count";
        noModel("heads for no layer", heads + "...got a list of 0", good().key(heads, list(4)));
        noModel("heads for 3 layers of 1", heads + "...got a list of 3", good().key(heads, list(4, 2, 2, 2)));
        String epsilon = "llama.attention.layer_norm_rms_epsilon";
        for (float each : new float[] {Float.NaN, -1, Float.POSITIVE_INFINITY}) {
            noModel("an epsilon of " + each, epsilon + "...got " + each, good().key(epsilon, f32(each)));
        }
        String base = "llama.rope.freq_base";
        noModel("a base of 0", base + "...got 0.0", good().key(base, f32(0)));
        noModel("a negative base", base + "...got -1.0", good().key(base, f32(-1)));
        String scaling = "llama.rope.scaling.type";
        noModel("an unknown scaling", scaling + "...got \"zebra\"", good().key(scaling, text("zebra")));
    }

    private static void vocabularies() {
        String tokens = "tokenizer.ggml.tokens";
        String types = "tokenizer.ggml.token_type";
        noModel(
                "7 tokens for 8 rows",
                tokens + "...got a list of 7",
                good().key(tokens, list(8, "a", "b", "c", "d", "e", "f", "g")));
        GgufForge nine = good().key(tokens, list(8, "a", "b", "ab", "c", "d", "e", "\u010a", "<eos>", "f"));
        noModel("9 tokens for 8 rows", tokens + "...got a list of 9", nine.key(types, bytes(9, 5, 9L, repeated(9, 1))));
        noModel("a token twice", tokens + "...each token once", good().key(tokens, vocabulary("a", "a")));
        noModel(
                "tokens that are numbers",
                tokens + "...a list of strings",
                good().key(tokens, list(4, 0, 1, 2, 3, 4, 5, 6, 7)));
        noModel("3 types of 8 tokens", types + "...got a list of 3", good().key(types, list(5, 1, 1, 1)));
        noContainer(
                "types of tokens in 8 bits",
                types + "...type of a value, got 0",
                good().key(types, bytes(9, 0, 8L, new byte[8])));
        String scores = "tokenizer.ggml.scores";
        noModel(
                "3 scores for 8 tokens",
                scores + "...got a list of 3",
                good().key(scores, bytes(9, 6, 3L, repeated(3, 0f))));
        noModel(
                "an unknown pre-tokenizer",
                "tokenizer.ggml.pre...\"zebra\"",
                good().key("tokenizer.ggml.pre", text("zebra")));
        noModel(
                "an unknown tokenizer",
                "tokenizer.ggml.model...\"zebra\"",
                good().key("tokenizer.ggml.model", text("zebra")));
    }

    // ---- common

    private static void loaded(String change, GgufForge forge) {
        loaded(change, forge.file());
    }

    private static void loaded(String change, byte[] file) {
        ALL.add(new GgufAttack(change, Fate.LOADED, List.of(), file));
    }

    private static void noModel(String change, String told, GgufForge forge) {
        ALL.add(new GgufAttack(change, Fate.NO_MODEL, List.of(told.split("\\.\\.\\.")), forge.file()));
    }

    private static void noContainer(String change, String told, GgufForge forge) {
        noContainer(change, told, forge.file());
    }

    private static void noContainer(String change, String told, byte[] file) {
        ALL.add(new GgufAttack(change, Fate.NO_CONTAINER, List.of(told.split("\\.\\.\\.")), file));
    }

    /** A good model except for its first matrix of queries. */
    private static GgufForge query(UnaryOperator<Tensor> change) {
        return good().change(QUERY, change);
    }

    private static GgufForge value(String key, Object... parts) {
        return good().key(key, bytes(parts));
    }

    /** A good model with an array whose elements take 16 bytes, or 3 bytes if they are u8. */
    private static GgufForge array(int type, long length) {
        return value("x.a", 9, type, length, type == 0 ? latin("abc") : new byte[16]);
    }

    private static byte[] vocabulary(String first, String second) {
        return list(8, first, second, "ab", "c", "d", "e", "\u010a", "<eos>");
    }

    private static byte[] repeated(int count, Object number) {
        return bytes(Collections.nCopies(count, number).toArray());
    }

    private static byte[] latin(String text) {
        return text.getBytes(StandardCharsets.ISO_8859_1);
    }
}
