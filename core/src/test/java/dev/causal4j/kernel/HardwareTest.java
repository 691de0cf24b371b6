package dev.causal4j.kernel;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class HardwareTest {
    @TempDir
    private Path folder;

    @Test
    void amdReadsAheadAndWhatIsNotKnownDoesNot() throws IOException {
        assertThat(Hardware.readsAhead("", linux("vendor_id\t: AuthenticAMD"))).isTrue();
        assertThat(Hardware.readsAhead("", linux("vendor_id\t: GenuineIntel"))).isFalse();
        assertThat(Hardware.readsAhead("", linux("implementer\t: 0x41"))).isFalse();
        assertThat(Hardware.readsAhead("", folder.resolve("none"))).isFalse();
        assertThat(Hardware.readsAhead("", notText())).isFalse();
        assertThat(Hardware.readsAhead("AMD64 Family 26 Model 2 Stepping 1, AuthenticAMD", folder.resolve("none")))
                .isTrue();
        assertThat(Hardware.readsAhead("Intel64 Family 6 Model 207 Stepping 2, GenuineIntel", folder.resolve("none")))
                .isFalse();
    }

    private Path linux(String line) throws IOException {
        return Files.writeString(
                folder.resolve("cpuinfo"), "processor\t: 0\n" + line + "\nmodel name\t: AuthenticAMD\n");
    }

    private Path notText() throws IOException {
        return Files.write(folder.resolve("bytes"), new byte[] {(byte) 0xff, (byte) 0xfe, 'v'});
    }
}
