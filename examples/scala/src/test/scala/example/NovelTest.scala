package example

import java.io.ByteArrayOutputStream
import org.junit.jupiter.api.Assertions.assertEquals
import org.junit.jupiter.api.Test

class NovelTest {
  /** The same on every machine: that is the library's promise. */
  @Test
  def itWritesAndScores(): Unit = {
    val printed = new ByteArrayOutputStream
    Console.withOut(printed)(Novel.main(Array.empty))
    assertEquals(
      " man should be so very little in his manner, and he is very happy. I hope he would not have seen him so" +
        " happy, and I am sure she will have a very fine man so very\n" +
        "16.568407249368207\n",
      printed.toString
    )
  }
}
