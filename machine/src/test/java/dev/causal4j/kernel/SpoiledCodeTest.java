package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import dev.causal4j.format.BlockType;
import dev.causal4j.kernel.choice.ProvidedKernels;
import dev.causal4j.machine.MachineKernels;
import dev.causal4j.machine.SpoiledCode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.io.TempDir;

/** Code whose loops and packings are spoiled one at a time ({@code src/test/c/spoiled.sed}) does not pass the exam. */
@EnabledIfSystemProperty(named = "causal4j.whole", matches = "true")
@EnabledIfSystemProperty(named = "os.arch", matches = "amd64")
class SpoiledCodeTest {
    private static final int SPOILED = 0x7ead1234;

    /** Formats with loops of their own for one row and two. */
    private static final List<Integer> OWN = IntStream.of(
                    0x05, 0x0d, 0x06, 0x0c, 0x25, 0x2d, 0x2c, 0x15, 0x21, 0x22, 0x28, 0x29)
            .boxed()
            .toList();

    @TempDir
    private Path folder;

    private byte[] code() throws IOException, InterruptedException {
        Path blob = folder.resolve("kernels.bin");
        String command = "cp -r src/main/c $0/c && sed -i -f src/test/c/spoiled.sed $0/c/*.h $0/c/*.c"
                + " && ../scripts/blob.sh x86_64 $0/kernels.bin $0/c";
        Process process = new ProcessBuilder("sh", "-c", command, folder.toString())
                .redirectErrorStream(true)
                .start();
        String text = new String(process.getInputStream().readAllBytes(), java.nio.charset.StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(text).isZero();
        return Files.readAllBytes(blob);
    }

    private static byte[] spoiled(byte[] code, int site, int n) {
        ByteBuffer all = ByteBuffer.wrap(code.clone()).order(ByteOrder.LITTLE_ENDIAN);
        int at = IntStream.iterate(0, i -> i < code.length, i -> i + 4)
                .filter(i -> all.getInt(i) == SPOILED)
                .reduce((_, last) -> last)
                .orElseThrow();
        return all.putInt(at, SPOILED + (site << 10) + n + 1).array();
    }

    private static void refuses(byte[] code, int site, int n, String... sets) {
        Map<String, Products> all = SpoiledCode.sets(spoiled(code, site, n));
        all.keySet().retainAll(List.of(sets));
        assertThat(all)
                .allSatisfy((set, products) -> assertThat(
                                GroupFormat.all().allMatch(format -> ProvidedKernels.hasBits(products, format)))
                        .as("%s, site %s, %s", set, site, n)
                        .isFalse());
    }

    @Test
    void eachSpoiledLoopIsRefused() throws IOException, InterruptedException {
        byte[] code = code();
        String[] sets = {"avx2", "avxvnni", "avx512", "amx"};
        assertThat(SpoiledCode.sets(code))
                .allSatisfy((_, products) -> assertThat(
                                GroupFormat.all().allMatch(format -> ProvidedKernels.hasBits(products, format)))
                        .isTrue());
        OWN.forEach(kind -> refuses(code, 1, kind, sets));
        OWN.forEach(kind -> refuses(code, 1, 64 + kind, sets));
        for (int kind = 0; kind < 4; kind++) { // of groups and minimums
            for (int rows = 1; rows <= 6; rows++) {
                refuses(code, 2, rows | kind << 3, rows <= 4 ? sets : new String[] {"avx512", "amx"});
            }
            refuses(code, 6, kind, sets);
        }
        IntStream.of(0, 1, 2, 4, 5, 6).forEach(numbers -> refuses(code, 3, numbers, sets));
        refuses(code, 4, 0, sets);
        refuses(code, 4, 1, sets);
        refuses(code, 5, 0, "amx");
        refuses(code, 5, 1, "amx");
    }

    @Test
    void eachSpoiledPackingIsRefused() throws IOException, InterruptedException {
        byte[] code = code();
        for (BlockType type : BlockType.values()) {
            for (int site = 6; site <= 11 && type.elements() > 1; site++) { // site 6 spoils no packing
                boolean isSpoiled = site > 6 && (site != 10 || type != BlockType.MXFP4); // MXFP4's scales are finite
                Products products = SpoiledCode.sets(spoiled(code, site, type.id())).values().stream()
                        .findFirst()
                        .orElseThrow();
                GroupFormat format = MachineProductsTest.format(type.groups());
                byte[] panel = new byte[(int) format.bytes(256)];
                assertThat(new ProvidedKernels(new MachineKernels(), products)
                                .pack(format, 256, MachineProductsTest.row(type), panel, 5))
                        .as("%s, site %s", type, site)
                        .isEqualTo(!isSpoiled);
            }
        }
    }
}
