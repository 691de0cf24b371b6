package example

import java.io.ByteArrayOutputStream
import java.io.PrintStream
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

class NovelTest {
    /** The same on every machine: that is the library's promise. */
    @Test
    fun itWritesAndScores() {
        val standardOutput = System.out
        val printed = ByteArrayOutputStream()
        System.setOut(PrintStream(printed))
        try {
            main()
        } finally {
            System.setOut(standardOutput)
        }
        assertEquals(
            " man should be so very little in his manner, and he is very happy. I hope he would not have seen him so" +
                " happy, and I am sure she will have a very fine man so very\n" +
                "16.568407249368207\n",
            printed.toString(),
        )
    }
}
