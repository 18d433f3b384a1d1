# Whole numbers that a long or a double would change stay as they are written.
printf 'huge,wide,wide2,near,far\n1,9007199254740993,0.5,9007199254740992,1e999\n99999999999999999999,0.5,-9007199254740993,0.5,1\n' > in.csv
frazil import in.csv demo.t
frazil table schema demo.t
frazil scan demo.t
# Not dates or numbers, though nearly.
printf 'a,b,c,d,e\n 2024-1- 1,2023-02-29,0x10, 1,2024-01-01T00:00:00.1234567\n' > words.csv
frazil import words.csv demo.words
frazil table schema demo.words
